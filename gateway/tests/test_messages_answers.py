"""A chat completion as Anthropic's clients read it."""

from typing import Any

import orjson
import pytest

from gateway.dialects.messages import Messages

THINKING = {"thinking": {"type": "enabled", "budget_tokens": 2048}}


def answer(message: dict[str, Any], finish: str | None = "stop", **more: Any) -> dict[str, Any]:
    fields = {"stop_sequences": ["END"], **more.pop("asked", {})}
    body = {"max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], **fields}
    choice = {
        "index": 0,
        "message": {"role": "assistant", **message},
        "finish_reason": finish,
        **more.pop("choice", {}),
    }
    completion = {"id": "chatcmpl-1", "model": "the-model", "choices": [choice], **more}
    return Messages().from_chat(completion, Messages().parse(orjson.dumps(body)))


def call(arguments: Any, id: Any = "call_1", name: str = "read") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_text_is_one_block_of_a_message() -> None:
    said = answer({"content": "hello"}, usage={"prompt_tokens": 12, "completion_tokens": 3})

    assert said.pop("id").startswith("msg_")
    assert said == {
        "type": "message",
        "role": "assistant",
        "model": "the-model",
        "content": [{"type": "text", "text": "hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 12,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 3,
        },
    }


def test_calls_follow_the_text_in_their_order() -> None:
    message = {"content": "I look.", "tool_calls": [call('{"path": "a"}'), call("{}", "call_2", "list")]}

    said = answer(message, "tool_calls")

    assert said["content"] == [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "call_1", "name": "read", "input": {"path": "a"}},
        {"type": "tool_use", "id": "call_2", "name": "list", "input": {}},
    ]
    assert said["stop_reason"] == "tool_use"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        (" null ", {}),
        (None, {}),
        ({"a": 1}, {"a": 1}),
        ('{"a": 1', {"_raw": '{"a": 1'}),
        ("[1]", {"_raw": "[1]"}),
        ("rm -rf", {"_raw": "rm -rf"}),
        ('{"a":' * 300 + "1" + "}" * 300, {"_raw": '{"a":' * 300 + "1" + "}" * 300}),
    ],
    ids=["none", "null", "absent", "object", "cut off", "list", "words", "deep"],
)
def test_arguments_are_an_object_or_are_shown_as_they_came(arguments: Any, expected: dict[str, Any]) -> None:
    said = answer({"tool_calls": [call(arguments)]}, "tool_calls")

    assert said["content"][0]["input"] == expected
    assert orjson.dumps(said)


def test_an_id_that_anthropic_would_refuse_is_put_right() -> None:
    said = answer({"tool_calls": [call("{}", "functions.read:0"), call("{}", None)]}, "tool_calls")

    assert said["content"][0]["id"] == "functions_read_0"
    assert said["content"][1]["id"].startswith("toolu_")


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thinking_is_shown_to_those_who_asked_for_it(field: str) -> None:
    message = {field: "hm", "content": "a"}
    thought = {"type": "thinking", "thinking": "hm", "signature": ""}
    hidden = {"thinking": {**THINKING["thinking"], "display": "omitted"}}

    assert answer(message, asked=THINKING)["content"][0] == thought
    assert answer(message, asked={"thinking": {"type": "adaptive"}})["content"][0] == thought
    for asked in ({}, {"thinking": {"type": "disabled"}}, hidden):
        assert answer(message, asked=asked)["content"] == [{"type": "text", "text": "a"}]


@pytest.mark.parametrize(
    ("message", "finish", "reason"),
    [
        ({"content": "a"}, "stop", "end_turn"),
        ({"content": "a"}, "length", "max_tokens"),
        ({"content": "a"}, "content_filter", "refusal"),
        ({"content": None, "refusal": "no"}, "stop", "refusal"),
        ({"tool_calls": [call("{}")]}, "tool_calls", "tool_use"),
        ({"tool_calls": [call("{}")]}, "stop", "tool_use"),
        ({"tool_calls": [call('{"a')]}, "length", "max_tokens"),
        ({"content": "a"}, "tool_calls", "end_turn"),
        ({"content": "a"}, "function_call", "end_turn"),
        ({"content": "a"}, "novel", "end_turn"),
        ({"content": "a"}, None, "end_turn"),
    ],
)
def test_the_reason_to_stop_fits_what_was_said(
    message: dict[str, Any], finish: str | None, reason: str
) -> None:
    assert answer(message, finish)["stop_reason"] == reason


def test_a_stop_sequence_is_told_where_the_upstream_tells_it() -> None:
    said = answer({"content": "a"}, choice={"stop_reason": "END"})
    other = answer({"content": "a"}, choice={"stop_reason": 128_009})

    assert (said["stop_reason"], said["stop_sequence"]) == ("stop_sequence", "END")
    assert (other["stop_reason"], other["stop_sequence"]) == ("end_turn", None)


def test_the_words_of_a_refusal_are_text() -> None:
    assert answer({"content": None, "refusal": "I won't."})["content"] == [
        {"type": "text", "text": "I won't."}
    ]


@pytest.mark.parametrize("content", ["", None, []])
def test_nothing_said_is_no_block(content: Any) -> None:
    assert answer({"content": content})["content"] == []


def test_text_in_parts_is_joined() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "thinking"}, {"type": "text", "text": "b"}]

    assert answer({"content": parts})["content"] == [{"type": "text", "text": "ab"}]


def test_cached_tokens_are_no_input_tokens_and_missing_usage_is_estimated() -> None:
    usage = {
        "prompt_tokens": 112,
        "completion_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 100},
    }

    told = answer({"content": "a"}, usage=usage)["usage"]
    estimated = answer({"content": "a" * 40})["usage"]

    assert (told["input_tokens"], told["cache_read_input_tokens"], told["output_tokens"]) == (12, 100, 3)
    assert estimated["output_tokens"] == 10
    assert estimated["input_tokens"] > 1
