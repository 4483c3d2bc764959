"""Which fault an upstream's answer is read as; everything after an attempt depends on it."""

from datetime import UTC, datetime

import orjson
import pytest

from gateway.upstream.classify import (
    classify_error_object,
    classify_status,
    clean,
    read_quota_wait,
    read_retry_after,
)
from routing.engine.outcome import FALLBACK_WORDS, Fault

TABLE = [
    (500, {}, Fault.UNHEALTHY, "server_error"),
    (502, "<html>bad gateway</html>", Fault.UNHEALTHY, "server_error"),
    (503, {"message": "queue full"}, Fault.UNHEALTHY, "server_error"),
    (529, {"type": "overloaded_error"}, Fault.UNHEALTHY, "server_error"),
    (522, "", Fault.UNHEALTHY, "server_error"),
    (401, {"message": "bad key sk-abcdefghijklmnop"}, Fault.CREDENTIAL, "credential_refused"),
    (403, {}, Fault.CREDENTIAL, "credential_refused"),
    (402, {"message": "monthly included credits"}, Fault.QUOTA, "quota_exhausted"),
    (404, {"message": "model 'x' not found"}, Fault.CONFIGURATION, "configuration"),
    (301, "", Fault.CONFIGURATION, "configuration"),
    (307, "", Fault.CONFIGURATION, "configuration"),
    (408, {}, Fault.UNHEALTHY, "timeout"),
    (409, {}, Fault.UNHEALTHY, "server_error"),
    (425, {}, Fault.UNHEALTHY, "server_error"),
    (429, {"message": "slow down"}, Fault.THROTTLED, "rate_limited"),
    (429, {"code": "insufficient_quota"}, Fault.QUOTA, "quota_exhausted"),
    (429, {"message": "You exceeded your current quota"}, Fault.QUOTA, "quota_exhausted"),
    (400, {"code": "context_length_exceeded"}, Fault.TOO_LONG, "context_too_long"),
    (
        400,
        {"message": "This model's maximum context length is 8192 tokens"},
        Fault.TOO_LONG,
        "context_too_long",
    ),
    (400, {"message": "registry.ollama.ai/library/x does not support tools"}, Fault.CAPABILITY, "capability"),
    (
        400,
        {"message": "Unsupported value: 'temperature' does not support 0.1"},
        Fault.CAPABILITY,
        "capability",
    ),
    (400, {"code": "content_filter"}, Fault.REQUEST, "content_filter"),
    (400, {"message": "messages.0.role is wrong"}, Fault.REQUEST, "invalid_request"),
    (422, {"message": "bad"}, Fault.REQUEST, "invalid_request"),
    (400, {"message": "Incorrect API key provided: na***ys."}, Fault.CREDENTIAL, "credential_refused"),
    (
        400,
        {"message": "API key not valid. Please pass a valid API key."},
        Fault.CREDENTIAL,
        "credential_refused",
    ),
    (413, {"message": "Request too large", "code": "rate_limit_exceeded"}, Fault.THROTTLED, "rate_limited"),
    (413, "<html>too large</html>", Fault.TOO_LONG, "context_too_long"),
    (400, {"message": "Unknown model 'my invalid api key rate_limit'"}, Fault.REQUEST, "invalid_request"),
    (405, "", Fault.CONFIGURATION, "configuration"),
    (410, "", Fault.CONFIGURATION, "configuration"),
    (204, "", Fault.UNHEALTHY, "bad_response"),
]


@pytest.mark.parametrize(("status", "error", "fault", "word"), TABLE)
def test_a_status_and_its_body_are_read_as_one_fault(status: int, error: object, fault: Fault, word: str):
    body = error.encode() if isinstance(error, str) else orjson.dumps({"error": error})
    outcome = classify_status(status, {}, body)

    assert (outcome.fault, outcome.word) == (fault, word)
    assert fault is Fault.REQUEST or word in FALLBACK_WORDS


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"[1]", b'{"error": null}', b'{"error": [1]}', b"\xff\x00", b'"x"']
)
def test_every_status_with_any_body_has_an_outcome(body: bytes):
    for status in range(100, 600):
        assert classify_status(status, {}, body).fault is not Fault.NONE


@pytest.mark.fault("U08", "U09")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0.5", 1.0),
        ("99999", 300.0),
        ("-1", 5.0),
        ("abc", 5.0),
        ("nan", 5.0),
        ("inf", 300.0),
        ("Sat, 21 Nov 2026 12:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", 1.0),
        ("Sat, 99 Nov", 5.0),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_never_an_exception(value: str | None, seconds: float | None):
    headers = {} if value is None else {"Retry-After": value}

    assert read_retry_after(headers, datetime(2026, 11, 21, 12, tzinfo=UTC)) == seconds


@pytest.mark.fault("U11", "U16")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("36000", 36_000.0),
        ("9999999", 86_400.0),
        ("0.2", 1.0),
        ("0", None),
        ("-1", None),
        ("nan", None),
        ("tomorrow", None),
        ("Sun, 22 Nov 2026 00:00:00 GMT", 43_200.0),
        ("Sat, 21 Nov 2026 11:00:00 GMT", None),
    ],
)
def test_a_used_up_quota_may_take_a_day_and_garbage_says_nothing_of_it(
    value: str | None, seconds: float | None
):
    headers = {} if value is None else {"Retry-After": value}

    assert read_quota_wait(headers, datetime(2026, 11, 21, 12, tzinfo=UTC)) == seconds
    assert classify_status(402, {"Retry-After": "36000"}, b"").retry_after == 36_000.0


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ({"code": 429, "message": "slow"}, Fault.THROTTLED),
        ({"code": "502", "message": "x"}, Fault.UNHEALTHY),
        ({"type": "overloaded_error"}, Fault.UNHEALTHY),
        ({"type": "rate_limit_exceeded"}, Fault.THROTTLED),
        ({"type": "insufficient_quota"}, Fault.QUOTA),
        ({"code": 401}, Fault.CREDENTIAL),
        ({"code": "²"}, Fault.UNHEALTHY),
        ({"code": "9" * 5000}, Fault.UNHEALTHY),
        ({"type": "invalid_request_error", "message": "no"}, Fault.REQUEST),
        ({"message": "kaput"}, Fault.UNHEALTHY),
        ({}, Fault.UNHEALTHY),
    ],
)
def test_an_error_object_inside_a_200_is_read_as_the_error_it_is(error: dict[str, object], fault: Fault):
    assert classify_error_object(error).fault is fault


def test_upstream_text_is_shortened_flattened_and_freed_of_keys():
    text = "bad\nkey sk-proj-abcdefghijklmnop \x1b[31m" + "x" * 500

    assert clean(text).startswith("bad key [removed] ")
    assert len(clean(text)) == 200
    assert "\x1b" not in clean(text)


def test_our_own_credential_is_removed_whatever_it_looks_like():
    body = b'{"error":{"message":"bad token 0f3c9a7b8d for tenant"}}'

    assert classify_status(400, {}, body, "0f3c9a7b8d").detail == "bad token [removed] for tenant"


def test_our_own_credential_is_removed_from_an_error_inside_a_200():
    error = {"type": "invalid_request_error", "message": "bad token 0f3c9a7b8d for tenant"}

    assert classify_error_object(error, "0f3c9a7b8d").detail == "bad token [removed] for tenant"


def test_our_own_credential_is_removed_however_the_json_spells_it():
    body = rb'{"error":{"message":"bad token \u0030f3c9a7b8d for tenant"}}'

    assert classify_status(400, {}, body, "0f3c9a7b8d").detail == "bad token [removed] for tenant"


def test_an_error_nested_too_deep_is_read_by_its_status_alone():
    for levels in (300, 1000):
        body = b'{"error":{"message":' + b"[" * levels + b"]" * levels + b"}}"
        assert classify_status(400, {}, body).detail == ""


def test_an_upstream_refusing_our_key_leaves_none_of_its_text():
    assert (
        classify_status(401, {}, b'{"error":{"message":"Incorrect API key provided: sk-12345678901"}}').detail
        == ""
    )
