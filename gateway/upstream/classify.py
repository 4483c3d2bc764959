"""Every way an upstream can fail → one Outcome. Nothing above this module matches an upstream's text.

The order of questions: the status; then, inside a 400 or 429, the error's code and text, because providers use those
two statuses for several different things.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import orjson
from multidict import CIMultiDict

from gateway.upstream.google_errors import only_a_minute, retry_delay
from routing.engine.outcome import Fault, Outcome

LONGEST_DETAIL = 200
GARBAGE_RETRY_AFTER = 5.0
DEEP = 200  # brackets; JSON with no more of them is never too deep for orjson, whose limit is 254 levels
RETRY_ELSEWHERE = frozenset({408, 409, 425})
QUOTA = re.compile(
    r"insufficient_quota|exceeded your current quota|monthly included credits|billing_hard_limit"
    r"|used all available credits|monthly spending limit",
    re.I,
)
NO_MONEY = re.compile(r"your credit balance is too low", re.I)
FREE_CREDITS = re.compile(r"monthly included credits", re.I)
CREDITS_PROBE, A_DAY = 3600.0, 86_400.0
FULL_QUEUE = re.compile(r"maximum pending requests exceeded", re.I)
TOO_LONG = re.compile(
    r"context_length_exceeded|maximum context length|context window|prompt is too long|too many tokens"
    r"|exceeds? the (?:available )?context",
    re.I,
)
FILTERED = re.compile(
    r"content_filter|content_policy_violation|content management policy|safety system"
    r"|content violates usage guidelines",
    re.I,
)
BAD_KEY = re.compile(
    r"invalid_api_key|(?:incorrect|invalid|expired) api key|api key (?:not valid|expired)", re.I
)
NO_SUCH_MODEL = re.compile(r"\bmodel_not_(?:supported|found)\b")  # the error's code
NO_SUCH_MODEL_SAID = re.compile(r"Model Not Exist|\S{1,200} is not a valid model ID")
NOBODY_SUPPORTS = re.compile(r"No endpoints found that support ")
BESIDE_THE_TEXT = ("code", "type", "estimated_time")
TOO_LARGE = 413
GONE = frozenset({404, 405, 410})
CAPABILITY = re.compile(
    r"does(?: not|n't) support|not supported|unsupported (?:parameter|value)|unsupported_(?:parameter|value)",
    re.I,
)
# Where a limit is used up, the second field says when it renews.
LIMIT_FIELDS = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
)
HINT_FIELDS = frozenset({"retry-after", "retry-after-ms"}.union(*LIMIT_FIELDS))
SECONDS_SINCE_1970, MILLISECONDS_SINCE_1970 = 1e9, 1e11  # numbers above these are moments, not durations
DURATION = re.compile(r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9})ms)?")
SECRETS = re.compile(r"\b(?:sk|pk|hf|xai|gsk|key)[-_][\w\-.]{8,}|\bAIza[\w\-]{8,}|\bBearer\s+\S+", re.I)


def classify_status(status: int, headers: Mapping[str, str], body: bytes, credential: str = "") -> Outcome:
    """The outcome of an answer whose status is not 200; `credential` is ours, in case the text repeats it."""
    error = error_object(body)
    return _classify(status, _hints(headers, error), *_words_of(error, credential))


def _classify(status: int, headers: Mapping[str, str], text: str, message: str) -> Outcome:
    if status == 429:
        return _too_many(headers, text)
    if status == 402:
        return _quota(status, headers, text)
    if status == 403 and FILTERED.search(text):
        return Outcome(Fault.REQUEST, "content_filter", status, detail=clean(message))
    if status == 403 and QUOTA.search(text):
        return _quota(status, headers, text)
    if status in (401, 403):
        return Outcome(Fault.CREDENTIAL, "credential_refused", status)
    if status == 404 and NOBODY_SUPPORTS.match(message):
        return Outcome(Fault.CAPABILITY, "capability", status)
    if status in GONE or 300 <= status < 400:
        return Outcome(Fault.CONFIGURATION, "configuration", status)
    if status in RETRY_ELSEWHERE:
        return Outcome(Fault.UNHEALTHY, "timeout" if status == 408 else "server_error", status)
    if 400 <= status < 500:
        return _their_word_on_the_request(status, text, message)
    if 200 <= status < 300:
        return Outcome(Fault.UNHEALTHY, "bad_response", status)
    if FULL_QUEUE.search(message):  # it works, and has enough to do
        return Outcome(Fault.THROTTLED, "busy", status, read_retry_after(headers))
    return Outcome(Fault.UNHEALTHY, "server_error", status, read_retry_after(headers))


def classify_error_object(error: Mapping[str, Any], credential: str = "") -> Outcome:
    """The outcome of an error object inside a 200 or an event stream: its code, read as a status where it is one;
    `credential` as above.
    """
    text, message = _words_of(error, credential)
    headers = _hints({}, error)
    for name in ("status", "code", "status_code"):
        value = error.get(name)
        if isinstance(value, str) and len(value) == 3 and value.isascii() and value.isdigit():
            value = int(value)
        if isinstance(value, int) and 300 <= value <= 599:
            return _classify(value, headers, text, message)
    if "rate_limit" in text:
        return _too_many(headers, text)
    if QUOTA.search(text):
        return _quota(None, headers, text)
    if "invalid_request" in text or TOO_LONG.search(text) or FILTERED.search(text):
        return _their_word_on_the_request(400, text, message)
    return Outcome(Fault.UNHEALTHY, "server_error")


def _words_of(error: Mapping[str, Any], credential: str) -> tuple[str, str]:
    """Code, type and message in one text, and the message alone, without our credential.

    A moderator's reasons (OpenRouter's) count as the code `content_filter`, a quota per minute as `rate_limit`.
    """
    message = str(error.get("message") or "")
    if credential:
        message = message.replace(credential, "[removed]")
    metadata = error.get("metadata")
    marks = "content_filter " if isinstance(metadata, dict) and metadata.get("reasons") else ""
    marks += "rate_limit " if only_a_minute(error) else ""
    return f"{marks}{error.get('code') or ''} {error.get('type') or ''} {message}", message


def _hints(headers: Mapping[str, str], error: Mapping[str, Any]) -> Mapping[str, str]:
    """The headers; where they name no wait, what the error itself says of one: OpenRouter repeats its provider's
    headers there, Hugging Face gives the seconds that loading a model will take, Google those until the next try.
    """
    if "retry-after" in headers or "Retry-After" in headers:
        return headers
    metadata, wait = error.get("metadata"), error.get("estimated_time", retry_delay(error))
    inside = metadata.get("headers") if isinstance(metadata, dict) else None
    if isinstance(inside, dict):
        return CIMultiDict({name: str(inside[name]) for name in inside if name.lower() in HINT_FIELDS})
    return headers if wait is None else {"Retry-After": str(wait)}


def _too_many(headers: Mapping[str, str], text: str) -> Outcome:
    if QUOTA.search(text) and not text.startswith("rate_limit "):
        return _quota(429, headers, text)
    retry_after = read_retry_after(headers)
    return Outcome(
        Fault.THROTTLED, "rate_limited", 429, read_reset(headers) if retry_after is None else retry_after
    )


def _quota(status: int | None, headers: Mapping[str, str], text: str) -> Outcome:
    retry_after = read_quota_wait(headers)
    if retry_after is None and FREE_CREDITS.search(text):
        retry_after = seconds_to_probe(datetime.now(UTC), "day")
    return Outcome(Fault.QUOTA, "quota_exhausted", status, retry_after)


def seconds_to_probe(now: datetime, window: str) -> float:
    """Credits that return on some UTC day, or with the next month: asked again when one begins, and once an hour until
    then. `window` is one of QUOTA_WINDOWS.
    """
    return max(1.0, min(CREDITS_PROBE, (next_window(now, window) - now).total_seconds()))


def next_window(now: datetime, window: str) -> datetime:
    """When the next UTC day or month begins."""
    today = datetime(now.year, now.month, now.day, tzinfo=UTC)
    if window == "month":
        return (today.replace(day=1) + timedelta(days=32)).replace(day=1)
    return today + timedelta(days=1)


def _their_word_on_the_request(status: int, text: str, message: str) -> Outcome:
    kind = text.removesuffix(message)
    if "invalid_api_key" in kind or BAD_KEY.match(message):
        return Outcome(Fault.CREDENTIAL, "credential_refused", status)
    if "rate_limit" in kind:
        return Outcome(Fault.THROTTLED, "rate_limited", status)
    if NO_SUCH_MODEL.search(kind) or NO_SUCH_MODEL_SAID.match(message):
        return Outcome(Fault.CONFIGURATION, "configuration", status)
    if NO_MONEY.match(message):
        return Outcome(Fault.QUOTA, "quota_exhausted", status)
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
    if not isinstance(error, str):
        return {}
    # The error is its text alone; what belongs to it stands beside it (xAI's code, Hugging Face's estimated_time).
    return {"message": error, **{name: parsed[name] for name in BESIDE_THE_TEXT if name in parsed}}


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
    """Seconds to wait as the upstream said: a number or an HTTP date; garbage is 5 s, absence None; 1 to 300.

    OpenAI's own field in milliseconds is the more exact one and goes first.
    """
    exact = headers.get("retry-after-ms")
    value = headers.get("Retry-After") if exact is None else exact
    if value is None:
        return None
    try:
        seconds = float(value) if exact is None else float(value) / 1000
    except ValueError:
        seconds = _seconds_until(value, now or datetime.now(UTC), GARBAGE_RETRY_AFTER)
    return sane_wait(seconds)


def read_quota_wait(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds until a quota renews as the upstream said, 1 to a day; None for absence and for what is no time."""
    value = headers.get("Retry-After")
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = _seconds_until(value, now or datetime.now(UTC), float("nan"))
    return min(A_DAY, max(1.0, seconds)) if seconds > 0 else None


def read_reset(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Seconds until the limit that is used up renews (`1m30s`, `20ms`, seconds, or a moment since 1970 in seconds or
    milliseconds); the longest of several, None when the headers tell of none; 1 to 300.
    """
    resets = [headers.get(reset) for left, reset in LIMIT_FIELDS if headers.get(left) == "0"]
    waits = [_seconds_of(reset.strip(), now or datetime.now(UTC)) for reset in resets if reset]
    return max((sane_wait(wait) for wait in waits), default=None)


def _seconds_of(text: str, now: datetime) -> float:
    try:
        number = float(text)
    except ValueError:
        found = DURATION.fullmatch(text)
        if found is None:
            return GARBAGE_RETRY_AFTER
        hours, minutes, seconds, thousandths = (float(part or 0) for part in found.groups())
        return hours * 3600 + minutes * 60 + seconds + thousandths / 1000
    if number > MILLISECONDS_SINCE_1970:
        number /= 1000
    return number - now.timestamp() if number > SECONDS_SINCE_1970 else number


def sane_wait(seconds: float) -> float:
    """Between 1 and 300 seconds; what is no time at all counts as 5."""
    if seconds != seconds or seconds < 0:
        seconds = GARBAGE_RETRY_AFTER
    return min(300.0, max(1.0, seconds))


def _seconds_until(value: str, now: datetime, garbage: float) -> float:
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError, IndexError):
        return garbage
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
