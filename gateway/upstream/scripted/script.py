"""The vocabulary of scenarios: a scenario reads a `Call` and returns a script, a sequence of steps.

Steps are plain values without a socket or a clock; the player turns them into timed writes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import orjson

from gateway.upstream.scripted.wire import parse_fields


class Head(NamedTuple):
    """Status line and header fields; without a length the body goes out chunked."""

    status: int
    content_type: str = "application/json"
    fields: tuple[tuple[str, str], ...] = ()
    length: int | None = None


class Part(NamedTuple):
    """Body bytes, framed as the head said; `events` of them end in these bytes."""

    data: bytes
    events: int = 0


class Raw(NamedTuple):
    """Bytes as they are, outside any framing: for heads that drip and framing that lies."""

    data: bytes


class Wait(NamedTuple):
    """Send what there is, go on later. Waits add up from the request's arrival: streams keep their pace."""

    seconds: float


class Cut(NamedTuple):
    """Close the connection here: `fin` politely, `rst` as a crash does."""

    how: str = "fin"


class Hang(NamedTuple):
    """Say nothing more; only the client can end this."""


Step: TypeAlias = Head | Part | Raw | Wait | Cut | Hang
Script: TypeAlias = Iterable[Step]


@dataclass(frozen=True, slots=True)
class Call:
    """What a scenario may know.

    `hit` is the request's turn among those for its model, `turn` its turn on its connection, both from 1.
    """

    upstream: str
    model: str
    request: dict[str, Any]
    id: str
    created: int
    hit: int
    turn: int
    head: bytes = b""

    @property
    def authorization(self) -> str:
        return parse_fields(self.head).get("authorization", "")

    @property
    def stream(self) -> bool:
        return self.request.get("stream") is True


SSE_HEAD = Head(200, "text/event-stream; charset=utf-8", (("cache-control", "no-cache"),))
DONE = Part(b"data: [DONE]\n\n")


def event(data: bytes) -> Part:
    """One server-sent event as OpenAI frames it."""
    return Part(b"data: " + data + b"\n\n", 1)


def body_reply(
    data: bytes,
    status: int = 200,
    content_type: str = "application/json",
    fields: tuple[tuple[str, str], ...] = (),
) -> Script:
    """A whole body with its length."""
    return Head(status, content_type, fields, len(data)), Part(data)


def json_reply(document: Any, status: int = 200, fields: tuple[tuple[str, str], ...] = ()) -> Script:
    return body_reply(orjson.dumps(document), status, fields=fields)


def sse_reply(parts: Iterable[Step]) -> Script:
    """The head of a stream, then these parts."""
    yield SSE_HEAD
    yield from parts


def error_document(
    message: str, kind: str, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_reply(
    status: int,
    message: str,
    kind: str = "invalid_request_error",
    code: str | None = None,
    param: str | None = None,
    fields: tuple[tuple[str, str], ...] = (),
) -> Script:
    """A refusal in OpenAI's error shape."""
    return json_reply(error_document(message, kind, code, param), status, fields)
