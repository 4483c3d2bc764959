"""Whatever an upstream answers, it is read as one known fault, and nothing of it leaves that should not."""

from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from gateway.upstream.classify import (
    HINT_FIELDS,
    LONGEST_DETAIL,
    classify_error_object,
    classify_status,
    read_retry_after,
)
from routing.engine.circuit import LONGEST_QUOTA_HOLD
from routing.engine.outcome import FALLBACK_WORDS, Fault, Outcome

CREDENTIAL = "0f3c9a7b8d-tenant-key"
OF_THE_REQUEST = ("invalid_request", "content_filter")
SAYINGS = (
    "insufficient_quota",
    "context_length_exceeded",
    "content_filter",
    "does not support tools",
    "invalid_api_key",
    "rate_limit_exceeded",
    "invalid_request_error",
    "Model Not Exist",
    "monthly included credits",
    "No endpoints found that support tools",
    "maximum pending requests exceeded",
    "\x1b[31m\u202e\u200b",
)
ECHOES = (f"your key {CREDENTIAL} is bad", CREDENTIAL, "not for sk-abcdefghijklmnopqrstuvwx")
FIELDS = (
    "error", "detail", "message", "code", "type", "status", "status_code", "metadata", "headers", "reasons",
    "estimated_time", "details", "retryDelay", "@type", "violations", "quotaId",
)  # fmt: skip

texts = st.one_of(
    st.sampled_from(SAYINGS),
    st.sampled_from(ECHOES),
    st.text(max_size=60),
    st.text(min_size=300, max_size=400),
)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), texts
)
names = st.one_of(st.sampled_from(FIELDS), st.sampled_from(sorted(HINT_FIELDS)), st.text(max_size=8))
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=5)),
    max_leaves=12,
)
said = st.lists(texts, min_size=1, max_size=4).map(" ".join)
usual = st.fixed_dictionaries(
    {"message": said},
    optional={"code": st.one_of(texts, st.integers(0, 999)), "type": texts, "metadata": values},
)
objects = st.one_of(usual, st.dictionaries(names, values, max_size=6))
usual_bodies = usual.map(lambda error: orjson.dumps({"error": error}))
json_bodies = st.one_of(values, st.fixed_dictionaries({"error": st.one_of(values, objects)}), objects).map(
    orjson.dumps
)
bodies = st.one_of(usual_bodies, st.binary(max_size=200), json_bodies, texts.map(lambda text: text.encode()))
header_values = st.one_of(
    st.sampled_from(["7", "99999", "-1", "abc", "nan", "-inf", "1e400", "0", "", " 5 ", "1_0", "²"]),
    st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT")),
    st.from_regex(r"\A(Mon, )?\d{1,3} (Jan|Xyz) \d{1,6} \d{1,3}:\d{1,3}(:\d{1,3})? [+-]?[\dA-Z]{1,8}\Z"),
    st.from_regex(r"\A\d{0,12}(h|m|s|ms|\.\d+s){0,4}\Z"),
    st.text(alphabet=st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=40),
    st.text(alphabet="0123456789", min_size=1, max_size=6_000),
)
headers = st.lists(st.tuples(st.sampled_from(sorted(HINT_FIELDS)), header_values), max_size=4).map(
    CIMultiDict
)
statuses = st.one_of(st.integers(100, 599), st.sampled_from([0, 400, 402, 403, 404, 413, 429, 503, 600, 999]))


def check(outcome: Outcome) -> None:
    """One of our classes in our words, waits within their bounds, no more of the upstream than may be told."""
    assert outcome.fault in set(Fault) - {Fault.NONE, Fault.CLIENT}
    known = OF_THE_REQUEST if outcome.fault is Fault.REQUEST else FALLBACK_WORDS
    assert outcome.word in known
    longest = LONGEST_QUOTA_HOLD if outcome.fault is Fault.QUOTA else 300.0
    assert outcome.retry_after is None or 1.0 <= outcome.retry_after <= longest
    assert outcome.detail == "" or outcome.fault is Fault.REQUEST
    assert len(outcome.detail) <= LONGEST_DETAIL
    assert outcome.detail.isprintable()
    assert CREDENTIAL not in repr(outcome)
    assert "sk-abcdefghijklmnop" not in repr(outcome)


@settings(max_examples=300, deadline=None)
@given(statuses, headers, bodies)
def test_any_status_with_any_headers_and_any_body_is_read_as_one_known_fault(
    status: int, fields: CIMultiDict[str], body: bytes
):
    check(classify_status(status, fields, body, CREDENTIAL))


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([400, 422]), st.lists(st.one_of(st.sampled_from(ECHOES), texts), min_size=1, max_size=5)
)
def test_what_is_told_of_a_refused_request_holds_no_key_of_ours_or_theirs(status: int, said: list[str]):
    check(classify_status(status, {}, orjson.dumps({"error": {"message": " ".join(said)}}), CREDENTIAL))


@settings(max_examples=200, deadline=None)
@given(objects)
def test_any_error_object_is_read_as_one_known_fault(error: dict[str, Any]):
    check(classify_error_object(error, CREDENTIAL))


@settings(max_examples=300, deadline=None)
@given(headers)
def test_any_hint_is_a_wait_between_one_second_and_five_minutes(fields: CIMultiDict[str]):
    wait = read_retry_after(fields)

    assert (wait is None) == (not fields.keys() & {"retry-after", "retry-after-ms"})
    assert wait is None or 1.0 <= wait <= 300.0
