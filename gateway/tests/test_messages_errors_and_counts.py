"""Errors as Anthropic's clients read them, and the counting of tokens."""

from typing import Any

import orjson
import pytest

from gateway.dialects.messages import Messages, count_tokens
from gateway.errors import (
    BadRequest,
    DeadlinePassed,
    GatewayError,
    InternalError,
    LimitReached,
    MethodNotAllowed,
    NotAllowed,
    NotFound,
    TooLarge,
    TooSlow,
    Unauthenticated,
    Unavailable,
    UnsupportedMedia,
    UpstreamsFailed,
    UpstreamThrottled,
)

HELLO = [{"role": "user", "content": "hello"}]


@pytest.mark.parametrize(
    ("kind", "status", "type_"),
    [
        (BadRequest, 400, "invalid_request_error"),
        (Unauthenticated, 401, "authentication_error"),
        (NotAllowed, 403, "permission_error"),
        (NotFound, 404, "not_found_error"),
        (MethodNotAllowed, 405, "invalid_request_error"),
        (TooSlow, 408, "invalid_request_error"),
        (TooLarge, 413, "request_too_large"),
        (UnsupportedMedia, 415, "invalid_request_error"),
        (LimitReached, 429, "rate_limit_error"),
        (UpstreamThrottled, 429, "rate_limit_error"),
        (InternalError, 500, "api_error"),
        (UpstreamsFailed, 502, "api_error"),
        (Unavailable, 529, "overloaded_error"),
        (DeadlinePassed, 504, "timeout_error"),
    ],
)
def test_every_error_has_anthropics_shape_status_and_type(
    kind: type[GatewayError], status: int, type_: str
) -> None:
    error = kind("What to do.")

    assert Messages().error_status(error) == status
    assert orjson.loads(Messages().error_body(error, "req_1")) == {
        "type": "error",
        "error": {"type": type_, "message": "What to do."},
        "request_id": "req_1",
    }


def counted(**fields: Any) -> int:
    return count_tokens(orjson.dumps({"model": "m", "messages": HELLO, **fields})).tokens


def test_four_bytes_of_text_are_a_token_wherever_they_stand() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 4000}}
    said = {"type": "text", "text": "a" * 36}
    use = {"type": "tool_use", "id": "1", "name": "read", "input": {"a": 1}}
    content = [
        said,
        image,
        {"type": "thinking", "thinking": "b" * 400, "signature": "s"},
        {"type": "tool_result", "tool_use_id": "1", "content": [said]},
        {"type": "document", "title": "d" * 4, "source": {"type": "text", "data": "c" * 36}},
        {"type": "search_result", "source": "ss", "title": "tt", "content": [said]},
    ]
    messages = [{"role": "user", "content": content}, {"role": "assistant", "content": [use]}]

    assert counted(messages=messages, system="é" * 20) == -(-(36 * 4 + 4 + 4 + 4 + 7 + 40) // 4) + 1000


def test_a_tool_counts_as_its_json_and_its_cache_mark_does_not() -> None:
    tool = {"name": "read", "input_schema": {"type": "object"}}
    marked = {**tool, "cache_control": {"type": "ephemeral"}}

    assert counted(tools=[tool]) == -(-(5 + len(orjson.dumps(tool))) // 4)
    assert counted(tools=[marked]) == counted(tools=[tool])


def test_at_least_one_token_is_counted_and_no_answer_needs_to_be_limited() -> None:
    assert counted(messages=[{"role": "user", "content": ""}]) == 1


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"tools": {}}, "tools"),
        ({"api_key": "x"}, "api_key"),
    ],
)
def test_what_cannot_be_asked_cannot_be_counted(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        counted(**fields)

    assert caught.value.param == param
