"""What a request to /v1/responses may look like, what it says as a chat, and what a wrong one is told."""

from typing import Any

import orjson
import pytest

from gateway.dialects.dialect import ModelRequest
from gateway.dialects.responses import Responses
from gateway.errors import BadRequest
from gateway.parse import TOKENS_PER_IMAGE

WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": True,
}
PIXEL = "data:image/png;base64," + "A" * 40_000


def parsed(**fields: Any) -> ModelRequest:
    return Responses().parse(orjson.dumps({"model": "m", "input": "hello", **fields}))


def chat(**fields: Any) -> dict[str, Any]:
    request = parsed(**fields)
    assert request.obstacle is None
    assert request.chat is not None
    return request.chat


def messages(*items: Any, **fields: Any) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = chat(input=list(items), **fields)["messages"]
    return said


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def call(call_id: str, name: str = "get_weather") -> dict[str, Any]:
    return {"type": "function_call", "id": "fc_1", "call_id": call_id, "name": name, "arguments": "{}"}


def output(call_id: str, text: Any) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": text}


def chat_call(call_id: str, name: str = "get_weather", arguments: str = "{}") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_a_plain_request_becomes_a_plain_chat():
    assert chat() == {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def test_every_parameter_with_a_counterpart_is_said_in_the_chat():
    request = parsed(
        instructions="Be brief.",
        max_output_tokens=50,
        temperature=0.5,
        top_p=0.9,
        stream=True,
        safety_identifier="user-7",
        reasoning={"effort": "low", "summary": "auto"},
    )

    assert request.chat == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, user("hello")],
        "max_tokens": 50,
        "temperature": 0.5,
        "top_p": 0.9,
        "stream": True,
        "user": "user-7",
        "reasoning_effort": "low",
    }
    assert request.hints == {"reasoning_effort"}
    assert (request.stream, request.max_tokens, request.end_user) == (True, 50, "user-7")


def test_what_the_chat_does_not_say_is_listed():
    request = parsed(
        input=[{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}, user("hello")],
        store=False,
        include=["reasoning.encrypted_content"],
        prompt_cache_key="k",
        metadata={"a": "b"},
        text={"verbosity": "low", "format": {"type": "text"}},
        reasoning={"effort": "low", "summary": "auto"},
        something_new=1,
    )

    assert request.left_out.keys() == {
        "store",
        "include",
        "prompt_cache_key",
        "metadata",
        "text.verbosity",
        "reasoning.summary",
        "input.reasoning",
        "something_new",
    }
    assert request.payload["something_new"] == 1
    assert request.chat is not None
    assert request.chat["messages"] == [user("hello")]


def test_calls_side_by_side_join_the_assistants_message_and_outputs_follow_it():
    said = messages(
        user("weather?"),
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        call("a"),
        {"type": "reasoning", "summary": []},
        call("b"),
        output("b", "rain"),
        user("and?"),
        output("a", [{"type": "input_text", "text": "sun"}]),
    )

    assert said == [
        user("weather?"),
        {"role": "assistant", "content": "I look.", "tool_calls": [chat_call("a"), chat_call("b")]},
        {"role": "tool", "tool_call_id": "b", "content": "rain"},
        {"role": "tool", "tool_call_id": "a", "content": "sun"},
        user("and?"),
    ]


def test_calls_of_another_turn_begin_a_message_of_their_own():
    said = messages(call("a"), output("a", "1"), call("b"), output("b", "2"))

    assert [message["role"] for message in said] == ["assistant", "tool", "assistant", "tool"]


def test_text_behind_a_call_joins_its_message():
    said = messages(call("a"), {"role": "assistant", "content": "One moment."}, output("a", "1"))

    assert said[0] == {"role": "assistant", "content": "One moment.", "tool_calls": [chat_call("a")]}
    assert said[1]["role"] == "tool"


def test_instructions_and_the_developer_speak_as_one_system():
    said = messages({"role": "developer", "content": "Two."}, user("hi"), instructions="One.")

    assert said == [{"role": "system", "content": "One.\n\nTwo."}, user("hi")]


def test_images_keep_their_place_and_an_image_from_a_tool_follows_the_tools():
    picture = {"type": "input_image", "image_url": PIXEL, "detail": "high"}
    request = parsed(
        input=[
            user([{"type": "input_text", "text": "look"}, picture]),
            call("a"),
            call("b"),
            output("a", [{"type": "input_image", "image_url": "https://x/y.png"}]),
            output("b", "done"),
        ]
    )

    assert request.chat is not None
    said = request.chat["messages"]
    image = {"type": "image_url", "image_url": {"url": PIXEL, "detail": "high"}}
    assert said[0]["content"] == [{"type": "text", "text": "look"}, image]
    assert [message["role"] for message in said] == ["user", "assistant", "tool", "tool", "user"]
    assert said[4]["content"] == [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]
    assert request.needs == {"vision", "image_urls"}
    assert 2 * TOKENS_PER_IMAGE < request.input_tokens < 2 * TOKENS_PER_IMAGE + 500


def test_audio_is_carried_and_needed():
    sound = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    request = parsed(input=[user([sound])])

    assert request.needs == {"audio"}
    assert request.chat is not None
    assert request.chat["messages"][0]["content"] == [sound]


def test_tools_are_nested_and_needed():
    request = parsed(tools=[WEATHER], tool_choice="auto", parallel_tool_calls=False)

    function = {name: value for name, value in WEATHER.items() if name != "type"}
    assert request.needs == {"tools"}
    assert request.chat is not None
    assert request.chat["tools"] == [{"type": "function", "function": function}]
    assert request.chat["tool_choice"] == "auto"
    assert request.chat["parallel_tool_calls"] is False


def test_without_tools_nothing_is_said_of_choosing_one():
    assert chat(tools=[], tool_choice="auto", parallel_tool_calls=False).keys() == {"model", "messages"}


@pytest.mark.parametrize("kind", ["function", "custom"])
def test_a_named_tool_is_chosen_by_its_name(kind: str):
    chosen = chat(tools=[WEATHER], tool_choice={"type": kind, "name": "get_weather"})["tool_choice"]

    assert chosen == {"type": "function", "function": {"name": "get_weather"}}


def test_allowed_tools_leave_only_those():
    allowed = {
        "type": "allowed_tools",
        "mode": "required",
        "tools": [{"type": "function", "name": "get_weather"}],
    }
    asked = chat(tools=[{"type": "web_search"}, WEATHER, WEATHER | {"name": "other"}], tool_choice=allowed)

    assert [tool["function"]["name"] for tool in asked["tools"]] == ["get_weather"]
    assert asked["tool_choice"] == "required"


def test_a_custom_tool_is_a_function_with_one_string():
    asked = chat(
        tools=[{"type": "custom", "name": "run", "description": "Runs it.", "format": {"type": "text"}}],
        input=[
            {"type": "custom_tool_call", "call_id": "a", "name": "run", "input": 'say "hi"'},
            {"type": "custom_tool_call_output", "call_id": "a", "output": "hi"},
        ],
    )

    function = asked["tools"][0]["function"]
    assert (function["name"], function["description"]) == ("run", "Runs it.")
    assert function["parameters"]["required"] == ["input"]
    assert asked["messages"][0]["tool_calls"] == [chat_call("a", "run", '{"input":"say \\"hi\\""}')]
    assert asked["messages"][1] == {"role": "tool", "tool_call_id": "a", "content": "hi"}


def test_a_schema_is_nested_and_needed():
    schema = {"type": "object", "properties": {}}
    text = {"format": {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}}
    request = parsed(text=text)

    assert request.needs == {"json_schema"}
    assert request.chat is not None
    assert request.chat["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": True},
    }
    assert chat(text={"format": {"type": "json_object"}})["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [WEATHER, {"type": "web_search"}]}, "tools[1].type"),
        ({"tools": [{"type": "local_shell"}]}, "tools[0].type"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools[0].type"),
        ({"tools": [{"type": "custom", "name": "x", "format": {"type": "grammar"}}]}, "tools[0].format"),
        ({"tools": [WEATHER], "tool_choice": {"type": "web_search"}}, "tool_choice.type"),
        ({"input": [user([{"type": "input_file", "file_id": "file-1"}])]}, "input[0].content[0].type"),
        ({"input": [user([{"type": "input_image", "file_id": "f"}])]}, "input[0].content[0].file_id"),
        ({"input": [user("x"), {"type": "local_shell_call", "call_id": "a"}]}, "input[1].type"),
        ({"input": [{"type": "compaction", "encrypted_content": "x"}]}, "input[0].type"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"moderation": {"model": "x"}}, "moderation"),
    ],
)
def test_what_a_chat_cannot_hold_is_an_obstacle_and_still_relayed(fields: dict[str, Any], param: str):
    request = parsed(**fields)

    assert request.chat is None
    assert request.obstacle is not None
    assert (request.obstacle.code, request.obstacle.param) == ("not_supported_by_upstream", param)
    assert param in request.obstacle.message
    assert request.payload.items() >= fields.items()


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"input": [user("x"), {"type": "item_reference", "id": "msg_1"}]}, "input[1]"),
        ({"input": [{"id": "msg_1"}]}, "input[0]"),
    ],
)
def test_what_needs_a_memory_is_refused_with_what_to_do(fields: dict[str, Any], param: str):
    with pytest.raises(BadRequest) as caught:
        parsed(**fields)

    assert (caught.value.code, caught.value.param) == ("not_supported", param)
    assert "Send" in caught.value.message


def test_no_memory_asked_for_is_no_reason_to_refuse():
    assert chat(previous_response_id=None, background=False, store=True, conversation=None)


@pytest.mark.parametrize("name", ["api_base", "api_key", "extra_headers"])
def test_a_body_does_not_say_where_it_goes(name: str):
    with pytest.raises(BadRequest) as caught:
        parsed(**{name: "x"})
    assert (caught.value.code, caught.value.param) == ("not_allowed", name)
