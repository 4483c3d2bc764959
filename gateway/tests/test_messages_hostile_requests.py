"""What a wrong or hostile message request is told: always a 400 that names the place, never a crash."""

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.messages import Messages, count_tokens
from gateway.errors import BadRequest

HELLO: dict[str, Any] = {"max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
PIXEL = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 4000}}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "B" * 4000}}
TOOL = {"name": "read", "description": "Reads a file.", "input_schema": {"type": "object", "properties": {}}}
USE = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "a"}}


def parsed(**fields: Any) -> Any:
    return Messages().parse(orjson.dumps({**HELLO, **fields}))


def refused(**fields: Any) -> tuple[str, str | None]:
    with pytest.raises(BadRequest) as caught:
        parsed(**fields)
    assert caught.value.param is None or caught.value.param in caught.value.message
    return caught.value.code, caught.value.param


def result(content: Any = "done", use: str = "toolu_1", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": use, "content": content, **more}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"max_tokens": None}, "missing_field", "max_tokens"),
        ({"max_tokens": "5"}, "invalid_type", "max_tokens"),
        ({"max_tokens": 0}, "invalid_value", "max_tokens"),
        ({"messages": None}, "missing_field", "messages"),
        ({"messages": {}}, "invalid_type", "messages"),
        ({"messages": []}, "invalid_value", "messages"),
        ({"messages": ["hi"]}, "invalid_type", "messages[0]"),
        ({"messages": [{"content": "a"}]}, "missing_field", "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "invalid_value", "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "missing_field", "messages[0].content"),
        ({"messages": [{"role": "user", "content": ["a"]}]}, "invalid_type", "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "missing_field", "messages[0].content[0].type"),
        (
            {
                "messages": [
                    *HELLO["messages"],
                    {"role": "user", "content": [{"type": "image", "source": "x"}]},
                ]
            },
            "invalid_type",
            "messages[1].content[0].source",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": 1}}]}
                ]
            },
            "missing_field",
            "messages[0].content[0].source.media_type",
        ),
        ({"temperature": 1.5}, "invalid_value", "temperature"),
        ({"top_k": -1}, "invalid_value", "top_k"),
        ({"stop_sequences": [1]}, "invalid_type", "stop_sequences[0]"),
        ({"system": [text("a"), 1]}, "invalid_type", "system[1]"),
        ({"thinking": {"type": "enabled"}}, "missing_field", "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 0}}, "invalid_value", "thinking.budget_tokens"),
        ({"tools": [{"name": "a"}]}, "missing_field", "tools[0].input_schema"),
        ({"tools": [{}] * 5000}, "invalid_type", "tools"),
        ({"tool_choice": {"type": "tool"}}, "missing_field", "tool_choice.name"),
        ({"metadata": {"user_id": 7}}, "invalid_type", "metadata.user_id"),
        ({"api_base": "http://169.254.169.254/"}, "not_allowed", "api_base"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], code: str, param: str) -> None:
    assert refused(**fields) == (code, param)


EVERYTHING: dict[str, Any] = {
    "model": "m",
    "max_tokens": 10,
    "stream": True,
    "system": [text("a", cache_control={"type": "ephemeral"})],
    "messages": [
        {"role": "user", "content": [text("a"), PIXEL]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": "s"}, USE]},
        {"role": "assistant", "content": [{"type": "redacted_thinking", "data": "d"}]},
        {"role": "user", "content": [result([text("a"), PIXEL], is_error=False)]},
        {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "u"}}]},
        {
            "role": "user",
            "content": [
                {"type": "document", "source": {"type": "text", "data": "u"}, "title": "t", "context": "c"}
            ],
        },
        {
            "role": "user",
            "content": [{"type": "document", "source": {"type": "content", "content": [text("x")]}}],
        },
        {
            "role": "user",
            "content": [{"type": "search_result", "source": "s", "title": "t", "content": [text("x")]}],
        },
    ],
    "tools": [{**TOOL, "type": "custom", "strict": True}],
    "tool_choice": {"type": "tool", "name": "read", "disable_parallel_tool_use": True},
    "stop_sequences": ["a"],
    "temperature": 0.5,
    "top_p": 0.5,
    "top_k": 5,
    "thinking": {"type": "enabled", "budget_tokens": 1024, "display": "omitted"},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
    "output_format": {"type": "json_schema", "schema": {"type": "object"}},
    "metadata": {"user_id": "u"},
    "mcp_servers": [],
    "container": {"skills": []},
    "context_management": {"edits": []},
    "service_tier": "auto",
}
# The same, with much that only Anthropic can do.
MORE: dict[str, Any] = {
    **EVERYTHING,
    "messages": [
        {"role": "user", "content": [{**PDF, "title": "t", "context": "c"}]},
        {"role": "user", "content": [{"type": "image", "source": {"type": "file", "file_id": "u"}}]},
        {"role": "assistant", "content": [{"type": "server_tool_use", "id": "s", "name": "n", "input": {}}]},
    ],
    "tools": [TOOL, {"type": "bash_20250124", "name": "bash"}],
    "mcp_servers": [{"type": "url", "url": "u", "name": "n"}],
    "container": {"skills": [{"type": "anthropic"}]},
    "inference_geo": "eu",
}
Path = tuple[str | int, ...]


def paths_in(value: Any, path: Path = ()) -> list[Path]:
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for name, item in inside for deeper in paths_in(item, (*path, name)))]


def replaced(whole: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    body = copy.deepcopy(whole)
    place: Any = body
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return body


HOSTILE = [None, True, 0, -1, 1.5, 10**19, "", "x", [], [1], [[]], [None], {}, {"type": "x"}, {"type": 1}]


@pytest.mark.parametrize("whole", [EVERYTHING, MORE], ids=["translatable", "only relayed"])
@pytest.mark.parametrize("value", HOSTILE, ids=repr)
def test_no_value_in_any_place_is_more_than_a_400(value: Any, whole: dict[str, Any]) -> None:
    assert (parsed(**whole).obstacle is None) == (whole is EVERYTHING)
    for path in paths_in(whole)[1:]:
        body = orjson.dumps(replaced(whole, path, value))
        try:
            request = Messages().parse(body)
        except BadRequest:
            continue
        assert (request.chat is None) != (request.obstacle is None)
        assert orjson.dumps(request.chat)
        assert count_tokens(body).tokens >= 1


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(0, 2)
    | st.sampled_from(["", "text", "image", "user"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "source", "content", "role", "data", "id"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(sorted(EVERYTHING)), JSON), JSON, JSON)
def test_any_json_is_a_request_or_a_400(fields: dict[str, Any], content: Any, block: Any) -> None:
    messages = [{"role": "user", "content": content}, {"role": "assistant", "content": [block]}]
    for body in ({**HELLO, **fields}, {**HELLO, "messages": messages}):
        try:
            request = Messages().parse(orjson.dumps(body))
        except BadRequest:
            continue
        assert (request.chat is None) != (request.obstacle is None)


def test_deep_nesting_is_refused_before_it_is_walked() -> None:
    deep: Any = text("x")
    for _ in range(40):
        deep = result([deep])

    assert refused(messages=[{"role": "user", "content": [deep]}]) == ("invalid_json", None)
