"""A whole chat completion said as a response, as OpenAI's own models read it."""

from typing import Any

import orjson
import pytest
from openai.lib._parsing._responses import parse_response
from openai.types.responses import Response
from pydantic import BaseModel

from gateway.dialects.responses import Responses

DIALECT = Responses()
USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 7,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


class City(BaseModel):
    """What the parsing test asks for."""

    name: str


def told(message: dict[str, Any], finish: str = "stop", usage: Any = None, **asked: Any) -> dict[str, Any]:
    """The response for a completion with this message, checked against OpenAI's model."""
    request = DIALECT.parse(orjson.dumps({"model": "asked", "input": "hi", **asked}))
    completion: dict[str, Any] = {
        "id": "chatcmpl-1",
        "model": "upstream-model",
        "created": 5,
        "choices": [{"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}],
    }
    if usage is not None:
        completion["usage"] = usage
    response = DIALECT.from_chat(completion, request)
    Response.model_validate_json(orjson.dumps(response))
    return response


def called(name: str, arguments: Any) -> dict[str, Any]:
    return {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": arguments}}


def test_text_is_one_message_of_a_completed_response():
    response = told({"content": "It rains."}, usage=USAGE)

    assert (response["status"], response["model"], response["object"]) == (
        "completed",
        "upstream-model",
        "response",
    )
    assert response["id"].startswith("resp_")
    assert Response.model_validate(response).output_text == "It rains."
    assert (response["store"], response["error"], response["previous_response_id"]) == (False, None, None)


def test_usage_has_its_details_and_reads_back_as_the_same():
    usage = told({"content": "x"}, usage=USAGE)["usage"]

    assert usage == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 17,
    }
    read = DIALECT.read_usage(usage)
    assert read is not None
    assert (read.input, read.cached, read.output, read.reasoning) == (6, 4, 7, 3)


@pytest.mark.parametrize(
    "usage", [{}, {"input_tokens": 5}, {"input_tokens": "5", "output_tokens": 1}], ids=str
)
def test_usage_that_does_not_tell_both_directions_is_none(usage: dict[str, Any]):
    assert DIALECT.read_usage(usage) is None
    assert told({"content": "x"}, usage=usage)["usage"] is None


def test_thoughts_text_and_calls_are_items_in_this_order():
    message = {
        "reasoning_content": "Hm.",
        "content": "I look.",
        "tool_calls": [called("a", '{"x":1}'), called("b", {"y": 2})],
    }
    output = told(message, "tool_calls")["output"]

    assert [item["type"] for item in output] == ["reasoning", "message", "function_call", "function_call"]
    assert output[0]["summary"] == [{"type": "summary_text", "text": "Hm."}]
    calls = [(item["call_id"], item["name"], item["arguments"]) for item in output[2:]]
    assert calls == [("call_a", "a", '{"x":1}'), ("call_b", "b", '{"y":2}')]
    assert len({item["id"] for item in output}) == 4
    assert output[2]["id"].startswith("fc_")


def test_a_call_of_a_custom_tool_is_one_with_its_text():
    tools = [{"type": "custom", "name": "run"}, {"type": "function", "name": "f"}]
    calls = [called("run", '{"input":"ls -l"}'), called("run", "ls, plainly"), called("f", "{}")]
    output = told({"content": None, "tool_calls": calls}, "tool_calls", tools=tools)["output"]

    assert [item["type"] for item in output] == ["custom_tool_call", "custom_tool_call", "function_call"]
    assert [item["input"] for item in output[:2]] == ["ls -l", "ls, plainly"]


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_an_answer_cut_short_is_incomplete_and_so_is_its_last_item(finish: str, reason: str):
    response = told({"content": "It ra", "reasoning_content": "Hm."}, finish)

    assert response["status"] == "incomplete"
    assert response["incomplete_details"] == {"reason": reason}
    assert [item["status"] for item in response["output"]] == ["completed", "incomplete"]


def test_a_refusal_is_a_part_of_the_message():
    output = told({"content": None, "refusal": "I will not."})["output"]

    assert output[0]["content"] == [{"type": "refusal", "refusal": "I will not."}]


def test_content_in_parts_is_joined():
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, {"type": "other"}]
    assert Response.model_validate(told({"content": parts})).output_text == "ab"


def test_what_was_asked_is_echoed():
    asked = {
        "instructions": "Be brief.",
        "max_output_tokens": 50,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "temperature": 0.5,
        "top_p": 0.9,
        "tool_choice": "required",
        "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True}],
    }
    response = told({"content": "x"}, reasoning={"effort": "low"}, text={"verbosity": "low"}, **asked)

    assert response.items() >= asked.items()
    assert response["reasoning"] == {"effort": "low", "summary": None}
    assert response["text"] == {"format": {"type": "text"}, "verbosity": "low"}


def test_openais_client_parses_an_answer_that_follows_a_schema():
    schema = {"type": "json_schema", "name": "City", "schema": City.model_json_schema()}
    response = Response.model_validate(told({"content": '{"name":"Paris"}'}, text={"format": schema}))

    parsed = parse_response(text_format=City, input_tools=None, response=response)
    assert parsed.output_parsed == City(name="Paris")
