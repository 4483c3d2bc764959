"""Scenarios in which the upstream gives an error status, or no answer at all."""

import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate

from gateway.upstream.scripted.completion import as_document, saying
from gateway.upstream.scripted.scenarios.answers import ok, reply
from gateway.upstream.scripted.scenarios.registry import scenario
from gateway.upstream.scripted.script import (
    SSE_HEAD,
    Call,
    Cut,
    Hang,
    Script,
    Step,
    body_reply,
    error_reply,
    json_reply,
)

PAGE = "<!doctype html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"

# What providers say with these statuses: message, type, code.
TEXTS: dict[int, tuple[str, str, str | None]] = {
    400: ("Invalid value for 'temperature'.", "invalid_request_error", "invalid_value"),
    401: ("Incorrect API key provided.", "invalid_request_error", "invalid_api_key"),
    402: ("You have exceeded your monthly included credits.", "billing_error", None),
    403: ("This key may not use this model.", "permission_error", None),
    404: ("The model does not exist or is not pulled.", "invalid_request_error", "model_not_found"),
    408: ("The request took too long to arrive.", "timeout_error", None),
    413: ("The request is too large.", "invalid_request_error", None),
    429: ("Rate limit reached for requests.", "requests", "rate_limit_exceeded"),
    529: ("Overloaded.", "overloaded_error", None),
}
SERVER_ERROR = ("The server had an error while processing your request.", "server_error", None)


def retry_after_fields(spoken: str) -> tuple[tuple[str, str], ...]:
    """`Retry-After` as asked: any text, `date+7` as an HTTP date, `7|9` as two header fields."""
    return tuple(("retry-after", _retry_after(value)) for value in spoken.split("|") if value)


def _retry_after(value: str) -> str:
    if value.startswith(("date+", "date-")):
        return formatdate(time.time() + float(value[4:]), usegmt=True)
    return value


@scenario
def status(call: Call, code: int = 500, retry_after: str = "", text: str = "", times: int = 1) -> Script:
    """Refuses with an HTTP status and a `text`, `times` over; retry_after: seconds, any text, date+7, or 7|9."""
    message, kind, word = TEXTS.get(code, SERVER_ERROR)
    return error_reply(code, text * times or message, kind, word, fields=retry_after_fields(retry_after))


@scenario
def insufficient_quota(call: Call) -> Script:
    """A 429 that means money, not speed: the quota is used up."""
    message = "You exceeded your current quota, please check your plan and billing details."
    return error_reply(429, message, "insufficient_quota", "insufficient_quota")


@scenario
def unauthorized(call: Call) -> Script:
    """A 401 whose text repeats the whole credential that the request carried."""
    message = f"Incorrect API key provided: {call.authorization}."
    return error_reply(401, message, code="invalid_api_key")


@scenario
def context_length(call: Call, limit: int = 8192) -> Script:
    """A 400: the prompt does not fit the model's context."""
    message = f"This model's maximum context length is {limit} tokens. However, your messages are longer."
    return error_reply(400, message, code="context_length_exceeded", param="messages")


@scenario
def content_filter(call: Call, how: str = "status") -> Script:
    """Refused by a content filter: a 400; how=finish: an answer that ends so; how=empty: one with nothing in it."""
    if how == "empty":
        answer = replace(saying(call, ""), finish="content_filter")
        document = as_document(answer)
        document["choices"][0]["message"]["content"] = None
        return reply(answer) if call.stream else json_reply(document)
    if how == "finish":
        return reply(replace(saying(call, "I"), finish="content_filter"))
    message = "Your request was rejected as a result of our safety system."
    return error_reply(400, message, code="content_filter")


@scenario
def unsupported(call: Call, what: str = "temperature") -> Script:
    """A 400 for requests that carry the field `what`; others are answered."""
    if call.request.get(what) is None:
        return ok(call)
    message = f"{call.model} does not support {what}"
    return error_reply(400, message, code="unsupported_parameter", param=what)


@scenario
def tools_unsupported(call: Call) -> Script:
    """A 400 for requests that offer tools; others are answered."""
    return unsupported(call, what="tools")


@scenario
def redirect(call: Call, code: int = 302, to: str = "http://127.0.0.1:9/v1/chat/completions") -> Script:
    """Points to another address."""
    return body_reply(b"", code, "text/plain", (("location", to),))


@scenario
def html(call: Call, code: int = 200, title: str = "Please sign in") -> Script:
    """A web page instead of an answer."""
    return body_reply(PAGE.format(title=title).encode(), code, "text/html; charset=utf-8")


@scenario
def silence(call: Call, head: int = 0) -> Iterator[Step]:
    """Takes the request and never answers; head=1 sends the head of a stream first."""
    if head:
        yield SSE_HEAD
    yield Hang()


@scenario
def hangup(call: Call, how: str = "fin") -> Script:
    """Closes the connection (fin or rst) without a byte of answer."""
    return (Cut(how),)


@scenario
def stale(call: Call, how: str = "fin") -> Script:
    """Answers a connection's first request; a later one on the same connection finds it closed."""
    return ok(call) if call.turn == 1 else (Cut(how),)
