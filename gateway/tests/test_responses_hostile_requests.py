"""Bodies of /v1/responses with wrong types anywhere: each is told where it is wrong, none makes the parser fail."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.dialect import ModelRequest
from gateway.dialects.responses import Responses
from gateway.errors import BadRequest

FUNCTION = {"type": "function", "name": "f"}


def refused(fields: dict[str, Any]) -> tuple[str, str | None]:
    with pytest.raises(BadRequest) as caught:
        Responses().parse(orjson.dumps({"input": "hello", **fields}))
    return caught.value.code, caught.value.param


def item(**fields: Any) -> dict[str, Any]:
    return {"input": [fields]}


def part(**fields: Any) -> dict[str, Any]:
    return item(role="user", content=[fields])


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"input": None}, "missing_field", "input"),
        ({"input": 5}, "invalid_type", "input"),
        ({"input": []}, "invalid_value", "input"),
        ({"input": ["hi"]}, "invalid_type", "input[0]"),
        ({"input": [{"type": "reasoning", "summary": []}]}, "invalid_value", "input"),
        (item(type=5), "invalid_type", "input[0].type"),
        (item(), "missing_field", "input[0].type"),
        (item(role=1, content="x"), "invalid_type", "input[0].role"),
        (item(type="message", content="x"), "missing_field", "input[0].role"),
        (item(role="wizard", content="x"), "invalid_value", "input[0].role"),
        (item(role="user"), "missing_field", "input[0].content"),
        (item(role="user", content=5), "invalid_type", "input[0].content"),
        (item(role="user", content=[5]), "invalid_type", "input[0].content[0]"),
        (part(), "missing_field", "input[0].content[0].type"),
        (part(type=[]), "invalid_type", "input[0].content[0].type"),
        (part(type="input_text"), "missing_field", "input[0].content[0].text"),
        (part(type="input_text", text=1), "invalid_type", "input[0].content[0].text"),
        (part(type="input_image", image_url={}), "invalid_type", "input[0].content[0].image_url"),
        (part(type="input_image"), "missing_field", "input[0].content[0].image_url"),
        (part(type="input_audio", input_audio="x"), "invalid_type", "input[0].content[0].input_audio"),
        (item(type="function_call", name="f", arguments="{}"), "missing_field", "input[0].call_id"),
        (
            item(type="function_call", call_id="a", name="f", arguments={}),
            "invalid_type",
            "input[0].arguments",
        ),
        (item(type="function_call_output", output="x"), "missing_field", "input[0].call_id"),
        (item(type="function_call_output", call_id="a"), "missing_field", "input[0].output"),
        (item(type="custom_tool_call", call_id="a", name="f", input=1), "invalid_type", "input[0].input"),
        ({"model": 1}, "invalid_type", "model"),
        ({"instructions": ["x"]}, "invalid_type", "instructions"),
        ({"stream": "true"}, "invalid_type", "stream"),
        ({"store": 1}, "invalid_type", "store"),
        ({"max_output_tokens": 0}, "invalid_value", "max_output_tokens"),
        ({"max_output_tokens": True}, "invalid_type", "max_output_tokens"),
        ({"temperature": "hot"}, "invalid_type", "temperature"),
        ({"top_p": 2}, "invalid_value", "top_p"),
        ({"text": "json"}, "invalid_type", "text"),
        ({"text": {"format": "json"}}, "invalid_type", "text.format"),
        ({"text": {"format": {}}}, "missing_field", "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "missing_field", "text.format.name"),
        (
            {"text": {"format": {"type": "json_schema", "name": "a", "schema": []}}},
            "invalid_type",
            "text.format.schema",
        ),
        ({"reasoning": "low"}, "invalid_type", "reasoning"),
        ({"reasoning": {"effort": 3}}, "invalid_type", "reasoning.effort"),
        ({"metadata": []}, "invalid_type", "metadata"),
        ({"user": {}}, "invalid_type", "user"),
        ({"tools": {}}, "invalid_type", "tools"),
        ({"tools": [1]}, "invalid_type", "tools[0]"),
        ({"tools": [{}]}, "missing_field", "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "missing_field", "tools[0].name"),
        ({"tools": [FUNCTION | {"parameters": "x"}]}, "invalid_type", "tools[0].parameters"),
        ({"tools": [{"type": "custom", "name": "c", "format": 1}]}, "invalid_type", "tools[0].format"),
        ({"tools": [{"type": "namespace", "name": "n"}]}, "missing_field", "tools[0].tools"),
        ({"tools": [{"type": "namespace", "tools": [FUNCTION]}]}, "missing_field", "tools[0].name"),
        ({"tools": [{"type": "namespace", "name": "n", "tools": [1]}]}, "invalid_type", "tools[0].tools[0]"),
        ({"tools": [FUNCTION] * 5000}, "invalid_type", "tools"),
        ({"tools": [FUNCTION], "tool_choice": 5}, "invalid_type", "tool_choice"),
        ({"tools": [FUNCTION], "tool_choice": "maybe"}, "invalid_value", "tool_choice"),
        ({"tools": [FUNCTION], "tool_choice": {}}, "missing_field", "tool_choice.type"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "function"}}, "missing_field", "tool_choice.name"),
        (
            {"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools", "mode": 1, "tools": [FUNCTION]}},
            "invalid_type",
            "tool_choice.mode",
        ),
        (
            {"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools", "tools": []}},
            "invalid_value",
            "tool_choice.tools",
        ),
    ],
    ids=str,
)
def test_a_wrong_type_is_named_with_its_place(fields: dict[str, Any], code: str, param: str):
    assert refused(fields) == (code, param)


NAMES = (
    *("type", "role", "content", "text", "call_id", "name", "arguments", "output", "input", "id", "summary"),
    *(
        "format",
        "mode",
        "tools",
        "schema",
        "strict",
        "effort",
        "image_url",
        "detail",
        "file_id",
        "parameters",
    ),
)
WORDS = (
    *("message", "function_call", "function_call_output", "custom_tool_call", "reasoning", "item_reference"),
    *("user", "assistant", "developer", "input_text", "input_image", "output_text", "refusal", "function"),
    *("custom", "namespace", "allowed_tools", "json_schema", "text", "auto", "required"),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=20,
)
FIELDS = st.sampled_from(
    [
        "input",
        "tools",
        "tool_choice",
        "text",
        "reasoning",
        "instructions",
        "metadata",
        "user",
        "stream",
        "include",
    ]
)


@given(st.dictionaries(FIELDS, VALUES, max_size=5))
def test_any_json_is_parsed_or_refused_as_a_bad_request(fields: dict[str, Any]):
    try:
        request = Responses().parse(orjson.dumps({"input": "hello", **fields}))
    except BadRequest:
        return
    assert isinstance(request, ModelRequest)
    assert (request.chat is None) != (request.obstacle is None)
