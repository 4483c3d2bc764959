"""Every way an upstream can fail → one Outcome. Nothing above this module matches an upstream's text.

The order of questions: the status; then, inside a 400 or 429, the error's code and text, because providers use those
two statuses for several different things.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from routing.engine.outcome import Fault, Outcome

LONGEST_DETAIL = 200
GARBAGE_RETRY_AFTER = 5.0
DEEP = 200  # brackets; JSON with no more of them is never too deep for orjson, whose limit is 254 levels
RETRY_ELSEWHERE = frozenset({408, 409, 425})
QUOTA = re.compile(
    r"insufficient_quota|exceeded your current quota|monthly included credits|billing_hard_limit", re.I
)
TOO_LONG = re.compile(
    r"context_length_exceeded|maximum context length|context window|prompt is too long|too many tokens"
    r"|exceeds? the (?:available )?context",
    re.I,
)
FILTERED = re.compile(
    r"content_filter|content_policy_violation|content management policy|safety system", re.I
)
BAD_KEY = re.compile(
    r"invalid_api_key|(?:incorrect|invalid|expired) api key|api key (?:not valid|expired)", re.I
)
TOO_LARGE = 413
GONE = frozenset({404, 405, 410})
CAPABILITY = re.compile(
    r"does(?: not|n't) support|not supported|unsupported (?:parameter|value)|unsupported_(?:parameter|value)",
    re.I,
)
SECRETS = re.compile(r"\b(?:sk|pk|hf|xai|gsk|key)[-_][\w\-.]{8,}|\bAIza[\w\-]{8,}|\bBearer\s+\S+", re.I)


def classify_status(status: int, headers: Mapping[str, str], body: bytes, credential: str = "") -> Outcome:
    """The outcome of an answer whose status is not 200; `credential` is ours, in case the text repeats it."""
    return _classify(status, headers, *_words_of(error_object(body), credential))


def _classify(status: int, headers: Mapping[str, str], text: str, message: str) -> Outcome:
    if status == 429:
        return _too_many(headers, text)
    if status == 402:
        return Outcome(Fault.QUOTA, "quota_exhausted", status, read_retry_after(headers))
    if status in (401, 403):
        return Outcome(Fault.CREDENTIAL, "credential_refused", status)
    if status in GONE or 300 <= status < 400:
        return Outcome(Fault.CONFIGURATION, "configuration", status)
    if status in RETRY_ELSEWHERE:
        return Outcome(Fault.UNHEALTHY, "timeout" if status == 408 else "server_error", status)
    if 400 <= status < 500:
        return _their_word_on_the_request(status, text, message)
    if 200 <= status < 300:
        return Outcome(Fault.UNHEALTHY, "bad_response", status)
    return Outcome(Fault.UNHEALTHY, "server_error", status, read_retry_after(headers))


def classify_error_object(error: Mapping[str, Any], credential: str = "") -> Outcome:
    """The outcome of an error object inside a 200 or an event stream: its code, read as a status where it is one;
    `credential` as above.
    """
    text, message = _words_of(error, credential)
    for name in ("status", "code", "status_code"):
        value = error.get(name)
        if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, int) and 300 <= value <= 599:
            return _classify(value, {}, text, message)
    if "rate_limit" in text:
        return _too_many({}, text)
    if QUOTA.search(text):
        return Outcome(Fault.QUOTA, "quota_exhausted")
    if "invalid_request" in text or TOO_LONG.search(text) or FILTERED.search(text):
        return _their_word_on_the_request(400, text, message)
    return Outcome(Fault.UNHEALTHY, "server_error")


def _words_of(error: Mapping[str, Any], credential: str) -> tuple[str, str]:
    """Code, type and message in one text, and the message alone, without our credential."""
    message = str(error.get("message") or "")
    if credential:
        message = message.replace(credential, "[removed]")
    return f"{error.get('code') or ''} {error.get('type') or ''} {message}", message


def _too_many(headers: Mapping[str, str], text: str) -> Outcome:
    retry_after = read_retry_after(headers)
    if QUOTA.search(text):
        return Outcome(Fault.QUOTA, "quota_exhausted", 429, retry_after)
    return Outcome(Fault.THROTTLED, "rate_limited", 429, retry_after)


def _their_word_on_the_request(status: int, text: str, message: str) -> Outcome:
    kind = text.removesuffix(message)
    if "invalid_api_key" in kind or BAD_KEY.match(message):
        return Outcome(Fault.CREDENTIAL, "credential_refused", status)
    if "rate_limit" in kind:
        return Outcome(Fault.THROTTLED, "rate_limited", status)
    if status == TOO_LARGE or TOO_LONG.search(text):
        return Outcome(Fault.TOO_LONG, "context_too_long", status)
    if FILTERED.search(text):
        return Outcome(Fault.REQUEST, "content_filter", status, detail=clean(message))
    if CAPABILITY.search(text):
        return Outcome(Fault.CAPABILITY, "capability", status)
    return Outcome(Fault.REQUEST, "invalid_request", status, detail=clean(message))


def error_object(body: bytes) -> dict[str, Any]:
    """The `error` of a JSON body in any of the usual shapes; empty when there is none."""
    try:
        parsed = read_json(body)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(parsed, list) and parsed:  # Gemini wraps its error in a list
        parsed = parsed[0]
    if not isinstance(parsed, dict):
        return {}
    error = parsed.get("error", parsed.get("detail", parsed))
    if isinstance(error, dict):
        return error
    return {"message": error} if isinstance(error, str) else {}


def read_json(raw: bytes) -> Any:
    """An upstream's JSON. Raises JSONDecodeError, also when it is nested too deep to be written again."""
    value = orjson.loads(raw)
    if len(raw) > 2 * DEEP and raw.count(b"[") + raw.count(b"{") > DEEP:
        try:
            orjson.dumps(value)
        except orjson.JSONEncodeError:
            raise orjson.JSONDecodeError("nested too deep", "", 0) from None
    return value


def read_retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds to wait as the upstream said: a number or an HTTP date; garbage is 5 s, absence None; 1 to 300."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value, now or datetime.now(UTC))
    if seconds != seconds or seconds < 0:
        seconds = GARBAGE_RETRY_AFTER
    return min(300.0, max(1.0, seconds))


def _seconds_until(value: str, now: datetime) -> float:
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return GARBAGE_RETRY_AFTER
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def clean(text: str) -> str:
    """At most 200 characters fit for a client: one line, no control characters, nothing that looks like a key."""
    printable = "".join(char if char.isprintable() else " " for char in text[:2000])
    return SECRETS.sub("[removed]", " ".join(printable.split()))[:LONGEST_DETAIL]


def timed_out() -> Outcome:
    """A time limit passed."""
    return Outcome(Fault.UNHEALTHY, "timeout")


def unreachable() -> Outcome:
    """Refused, reset, no such name, TLS: the connection did not hold."""
    return Outcome(Fault.UNHEALTHY, "connection_error")


def bad_response(status: int | None = 200) -> Outcome:
    """An answer that is not what a chat completion looks like."""
    return Outcome(Fault.UNHEALTHY, "bad_response", status)
