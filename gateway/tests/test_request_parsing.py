"""What a chat request may look like, and what a wrong one is told."""

import orjson
import pytest

from gateway.dialects.chat_request import parse_chat
from gateway.errors import BadRequest

HELLO = {"messages": [{"role": "user", "content": "hello"}]}


def parsed(**fields: object):
    return parse_chat(orjson.dumps({**HELLO, **fields}))


def refused(body: bytes) -> tuple[str, str | None]:
    with pytest.raises(BadRequest) as caught:
        parse_chat(body)
    return caught.value.code, caught.value.param


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid_json"),
        (b"   ", "invalid_json"),
        (b"{", "invalid_json"),
        (b'{"messages": []} trailing', "invalid_json"),
        (b"\xef\xbb\xbf{}", "invalid_json"),
        ("{}".encode("utf-16"), "invalid_json"),
        (b'{"temperature": NaN}', "invalid_json"),
        (b'{"temperature": Infinity}', "invalid_json"),
        (b'{"user": "\\ud800"}', "invalid_json"),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, "invalid_json"),
        (b'{"a":' + b"[" * 65 + b"]" * 65 + b"}", "invalid_json"),
        (b"[1]", "invalid_type"),
        (b"{}", "missing_field"),
    ],
)
def test_a_body_that_is_not_a_json_object_of_reasonable_depth_is_refused(body: bytes, code: str):
    assert refused(body)[0] == code


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"messages": {}}, "invalid_type", "messages"),
        ({"messages": []}, "invalid_value", "messages"),
        ({"messages": ["hi"]}, "invalid_type", "messages[0]"),
        ({"messages": [{"content": "hi"}]}, "missing_field", "messages[0].role"),
        ({"messages": [{"role": 1}]}, "invalid_type", "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "invalid_type", "messages[0].content"),
        ({"stream": "true"}, "invalid_type", "stream"),
        ({"max_tokens": "5"}, "invalid_type", "max_tokens"),
        ({"max_tokens": True}, "invalid_type", "max_tokens"),
        ({"max_tokens": -1}, "invalid_value", "max_tokens"),
        ({"max_tokens": 10**19}, "invalid_value", "max_tokens"),
        ({"n": 0.5}, "invalid_type", "n"),
        ({"n": 1_000_000}, "invalid_value", "n"),
        ({"temperature": 3}, "invalid_value", "temperature"),
        ({"model": 7}, "invalid_type", "model"),
        ({"tools": {}}, "invalid_type", "tools"),
        ({"tools": [{}] * 100_000}, "invalid_type", "tools"),
        ({"stream_options": "yes"}, "invalid_type", "stream_options"),
        ({"api_base": "http://169.254.169.254/"}, "not_allowed", "api_base"),
        ({"user_config": {}}, "not_allowed", "user_config"),
        ({"extra_headers": {"a": "b"}}, "not_allowed", "extra_headers"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, object], code: str, param: str):
    assert refused(orjson.dumps({**HELLO, **fields})) == (code, param)


def test_an_explicit_null_counts_as_absent():
    request = parsed(temperature=None, max_tokens=None, stream=None, tools=None)

    assert request.max_tokens is None
    assert not request.stream
    assert request.payload == HELLO


def test_unknown_fields_are_kept_at_every_level():
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]}
    ]
    request = parsed(messages=messages, reasoning_effort="low", metadata={"trace": 1}, something_new=[1])

    assert request.payload["messages"] == messages
    assert request.payload["reasoning_effort"] == "low"
    assert request.payload["something_new"] == [1]


def test_without_a_model_it_is_the_automatic_one():
    assert parsed().model == "rainymodel/auto"


def test_needs_are_read_from_tools_images_audio_and_schema():
    parts = [
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        {"type": "input_audio", "input_audio": {}},
    ]
    request = parsed(
        messages=[{"role": "user", "content": parts}],
        tools=[{"type": "function", "function": {"name": "f"}}],
        response_format={"type": "json_schema", "json_schema": {}},
    )

    assert request.needs == {"tools", "vision", "image_urls", "audio", "json_schema"}
    assert parsed(response_format={"type": "json_object"}).needs == frozenset()


def test_image_data_is_not_counted_as_text():
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 400_000}}
    request = parsed(messages=[{"role": "user", "content": [image]}])

    assert 1000 < request.input_tokens < 1100


def test_four_bytes_of_body_are_estimated_as_one_token():
    body = orjson.dumps({"messages": [{"role": "user", "content": "x" * 4000}]})

    assert parse_chat(body).input_tokens == len(body) // 4


def test_the_newer_name_of_the_output_limit_wins():
    assert parsed(max_tokens=10, max_completion_tokens=20).max_tokens == 20


def test_the_end_user_is_found_under_each_of_its_names():
    assert parsed(user="ada").end_user == "ada"
    assert parsed(safety_identifier="bob").end_user == "bob"
    assert parsed(metadata={"user_id": "eve"}).end_user == "eve"
