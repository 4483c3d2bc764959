"""What Anthropic's clients may ask, what it is as a chat, and what only Anthropic can be asked."""

import copy
from typing import Any

import orjson
import pytest

from gateway.dialects.messages import Messages
from gateway.dialects.messages.to_chat import to_chat

HELLO: dict[str, Any] = {"max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
PIXEL = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 4000}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "B" * 4000}}
TOOL = {"name": "read", "description": "Reads a file.", "input_schema": {"type": "object", "properties": {}}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "a"}}


def parsed(**fields: Any) -> Any:
    return Messages().parse(orjson.dumps({**HELLO, **fields}))


def chat_of(**fields: Any) -> dict[str, Any]:
    request = parsed(**fields)
    assert request.obstacle is None
    return request.chat


def turns(*messages: tuple[str, Any], **fields: Any) -> list[dict[str, Any]]:
    said = [{"role": role, "content": content} for role, content in messages]
    return chat_of(messages=said, **fields)["messages"]


def result(content: Any = "done", use: str = "toolu_1", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": use, "content": content, **more}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def test_a_plain_request_is_a_chat_with_the_same_limits() -> None:
    request = parsed(
        model="m", system="Be brief.", temperature=0.5, top_p=0.9, stop_sequences=["END"], stream=True
    )

    assert request.chat == {
        "model": "m",
        "max_tokens": 100,
        "temperature": 0.5,
        "top_p": 0.9,
        "stop": ["END"],
        "stream": True,
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}],
    }
    assert (request.model, request.stream, request.max_tokens, request.dialect) == (
        "m",
        True,
        100,
        "messages",
    )
    assert request.needs == frozenset()
    assert request.left_out == {}


def test_system_blocks_are_one_message_without_claude_codes_note_to_anthropic() -> None:
    blocks = [
        text("x-anthropic-billing-header: cch=1"),
        text("You help.", cache_control={"type": "ephemeral"}),
        text("Well."),
    ]

    assert turns(("user", "hi"), system=blocks)[0] == {"role": "system", "content": "You help.\n\nWell."}


def test_tool_results_come_before_what_the_user_says_beside_them() -> None:
    messages = turns(
        ("user", "go"),
        ("assistant", [text("I look."), USE, {**USE, "id": "toolu_2"}]),
        (
            "user",
            [text("quickly"), result("one"), result([text("two"), text("three")], "toolu_2"), text("please")],
        ),
    )

    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool", "user"]
    assert messages[1]["content"] == "I look."
    assert messages[1]["tool_calls"][0] == {
        "id": "toolu_1",
        "type": "function",
        "function": {"name": "read", "arguments": '{"path":"a"}'},
    }
    assert messages[2] == {"role": "tool", "tool_call_id": "toolu_1", "content": "one"}
    assert messages[3] == {"role": "tool", "tool_call_id": "toolu_2", "content": "two\n\nthree"}
    assert messages[4] == {"role": "user", "content": "quickly\n\nplease"}


def test_tool_results_alone_bring_no_empty_user_message() -> None:
    messages = turns(("assistant", [USE]), ("user", [result()]))

    assert [message["role"] for message in messages] == ["assistant", "tool"]
    assert messages[0]["content"] is None


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (result("no such file", is_error=True), "Error: no such file"),
        (result(None, is_error=True), "Error"),
        (result(None), ""),
        (result([]), ""),
        ({"type": "tool_result", "tool_use_id": "toolu_1"}, ""),
    ],
)
def test_a_tool_that_failed_or_said_nothing_still_answers_its_call(block: dict[str, Any], said: str) -> None:
    assert turns(("user", [block])) == [{"role": "tool", "tool_call_id": "toolu_1", "content": said}]


def test_images_of_a_tool_result_follow_in_a_user_message_that_says_whose_they_are() -> None:
    request = parsed(messages=[{"role": "user", "content": [result([text("seen"), PIXEL]), text("so?")]}])
    tool, user = request.chat["messages"]

    assert tool["content"].startswith("seen\n\n")
    assert [part["type"] for part in user["content"]] == ["text", "image_url", "text"]
    assert "toolu_1" in user["content"][0]["text"]
    assert user["content"][1]["image_url"]["url"] == f"data:image/png;base64,{'A' * 4000}"
    assert request.needs == {"vision"}


def test_images_and_texts_of_a_user_keep_their_order() -> None:
    url = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}

    assert turns(("user", [text("this"), url, text("that")]))[0]["content"] == [
        {"type": "text", "text": "this"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "text", "text": "that"},
    ]


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
            "words",
        ),
        (
            {
                "type": "document",
                "title": "T",
                "context": "C",
                "source": {"type": "content", "content": [text("words")]},
            },
            "T\n\nC\n\nwords",
        ),
        ({"type": "document", "source": {"type": "content", "content": "words"}}, "words"),
        (
            {"type": "search_result", "title": "T", "source": "https://s", "content": [text("found")]},
            "T\n\nhttps://s\n\nfound",
        ),
        ({"type": "thinking", "thinking": "hm", "signature": "s"}, ""),
    ],
    ids=["text document", "titled document", "document of one string", "search result", "thinking"],
)
def test_documents_and_search_results_are_carried_as_text(block: dict[str, Any], said: str) -> None:
    assert turns(("user", [block]))[0]["content"] == said


def test_thinking_is_not_carried_and_a_prefill_is() -> None:
    thoughts = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
    ]

    assert turns(("user", "a"), ("assistant", [*thoughts, text("It"), text(" is")]))[-1] == {
        "role": "assistant",
        "content": "It is",
    }


def test_thinking_that_nobody_signed_is_not_sent_to_anthropic_either() -> None:
    unsigned = {"type": "thinking", "thinking": "hm", "signature": ""}
    signed = {**unsigned, "signature": "s"}
    request = parsed(messages=[{"role": "assistant", "content": [unsigned, signed, text("a")]}])

    assert request.payload["messages"][0]["content"] == [signed, text("a")]


def test_a_system_message_in_the_middle_stays_there() -> None:
    messages = turns(("user", "a"), ("system", [text("b")]), ("user", "c"))

    assert [(message["role"], message["content"]) for message in messages] == [
        ("user", "a"),
        ("system", "b"),
        ("user", "c"),
    ]


def test_tools_are_functions_and_need_a_model_that_calls() -> None:
    request = parsed(
        tools=[{**TOOL, "cache_control": {"type": "ephemeral"}}, {**TOOL, "type": "custom", "strict": True}]
    )

    function = {"name": "read", "description": "Reads a file.", "parameters": TOOL["input_schema"]}
    assert request.chat["tools"] == [
        {"type": "function", "function": function},
        {"type": "function", "function": {**function, "strict": True}},
    ]
    assert request.needs == {"tools"}
    assert request.left_out == {"cache_control": ""}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        (
            {"type": "tool", "name": "read"},
            {"tool_choice": {"type": "function", "function": {"name": "read"}}},
        ),
        (
            {"type": "auto", "disable_parallel_tool_use": True},
            {"tool_choice": "auto", "parallel_tool_calls": False},
        ),
    ],
)
def test_the_choice_of_tools_is_carried(choice: dict[str, Any], expected: dict[str, Any]) -> None:
    chat = chat_of(tools=[TOOL], tool_choice=choice)

    assert {name: chat[name] for name in ("tool_choice", "parallel_tool_calls") if name in chat} == expected


def test_without_tools_there_is_nothing_to_choose() -> None:
    assert "tool_choice" not in chat_of(tools=[], tool_choice={"type": "auto"})


@pytest.mark.parametrize(
    ("fields", "effort"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 4096}}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10_000}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 31_999}}, "high"),
        ({"thinking": {"type": "adaptive"}}, "medium"),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, "high"),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}, None),
        ({"output_config": {"effort": "low"}}, "low"),
        ({"output_config": {"effort": None}}, None),
        ({}, None),
    ],
)
def test_thinking_is_a_hint_for_models_that_can(fields: dict[str, Any], effort: str | None) -> None:
    request = parsed(**fields)

    assert request.chat.get("reasoning_effort") == effort
    assert request.hints == ({"reasoning_effort"} if effort else frozenset())
    assert request.needs == frozenset()


@pytest.mark.parametrize("field", ["output_config", "output_format"])
def test_a_schema_is_a_response_format_and_strict_only_where_openai_takes_it_so(field: str) -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    loose = {**schema, "required": []}

    for given_schema, strict in ((schema, True), (loose, False), ({"anyOf": [loose]}, False)):
        form = {"type": "json_schema", "schema": given_schema}
        request = parsed(**{field: {"format": form} if field == "output_config" else form})
        assert request.chat["response_format"] == {
            "type": "json_schema",
            "json_schema": {"name": "answer", "schema": given_schema, "strict": strict},
        }
        assert request.needs == {"json_schema"}


def test_the_end_user_is_carried_and_a_long_name_is_one_digest() -> None:
    assert chat_of(metadata={"user_id": "u-1"})["user"] == "u-1"
    long = "user_" + "a" * 200
    request = parsed(metadata={"user_id": long})

    assert request.end_user == long
    assert len(request.chat["user"]) == 64
    assert request.chat["user"] == chat_of(metadata={"user_id": long})["user"]


def test_what_chat_lacks_is_left_out_and_told_and_still_relayed() -> None:
    fields = {
        "top_k": 5,
        "service_tier": "auto",
        "context_management": {"edits": []},
        "container": "c",
        "novel": 1,
    }
    request = parsed(**fields, thinking={"type": "disabled"})

    assert set(request.left_out) == {*fields, "thinking"}
    assert not fields.keys() & request.chat.keys()
    assert fields.items() <= request.payload.items()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [TOOL, {"type": "web_search_20250305", "name": "web_search"}]}, "tools[1].type"),
        ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, "tools[0].type"),
        ({"tools": [TOOL], "tool_choice": {"type": "novel"}}, "tool_choice.type"),
        ({"mcp_servers": [{"type": "url"}]}, "mcp_servers"),
        ({"container": {"skills": [{}]}}, "container.skills"),
        ({"inference_geo": "eu"}, "inference_geo"),
        ({"output_config": {"format": {"type": "novel"}}}, "output_config.format.type"),
        ({"system": [PIXEL]}, "system[0].type"),
        ({"messages": [{"role": "user", "content": [text("a"), PDF]}]}, "messages[0].content[1].source.type"),
        ({"messages": [{"role": "user", "content": [USE]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "novel"}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "user", "content": [result([{"type": "novel"}])]}]},
            "messages[0].content[0].content[0].type",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image", "source": {"type": "file", "file_id": "f"}}],
                    }
                ]
            },
            "messages[0].content[0].source.type",
        ),
        ({"messages": [{"role": "assistant", "content": [PIXEL]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "server_tool_use"}]}]},
            "messages[0].content[0].type",
        ),
    ],
)
def test_what_only_anthropic_can_do_is_an_obstacle_to_translating_not_to_relaying(
    fields: dict[str, Any], param: str
) -> None:
    request = parsed(**fields)

    assert request.chat is None
    assert (request.obstacle.code, request.obstacle.param) == ("not_supported_by_upstream", param)
    assert param in request.obstacle.message
    assert fields.items() <= request.payload.items()


def test_tokens_are_estimated_without_the_data_of_images_and_documents() -> None:
    body = orjson.dumps({**HELLO, "messages": [{"role": "user", "content": [PIXEL, PDF, result([PIXEL])]}]})
    request = Messages().parse(body)

    assert request.input_tokens == (len(body) - 12_000) // 4 + 3000


def test_translating_changes_nothing_of_the_payload() -> None:
    payload = copy.deepcopy({**HELLO, "system": [text("a")], "tools": [TOOL]})
    before = copy.deepcopy(payload)
    to_chat(payload)

    assert payload == before
