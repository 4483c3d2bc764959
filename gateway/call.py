"""One HTTP call as the gateway sees it: what came in, and the one way to answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import BadRequest, ClientLeft, Headers, TooLarge, TooSlow, UnsupportedMedia
from gateway.sse import PING

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

JSON = (b"content-type", b"application/json")
EVENT_STREAM: Headers = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)
# Headers that must not come twice: two different values would let two readers see two requests.
SINGLE = frozenset(
    {
        b"authorization",
        b"x-api-key",
        b"host",
        b"content-length",
        b"x-rainymodel-policy",
        b"x-rainymodel-provider",
    }
)
UPLOAD_SECONDS = 30.0


class Reply:
    """The answer to one call. Headers go out once; every frame goes out whole."""

    __slots__ = ("_base", "_pinging", "_send", "last_sent", "started")

    def __init__(self, send: Send, base: Headers) -> None:
        self._send, self._base = send, base
        self._pinging: asyncio.Task[None] | None = None
        self.started = False
        self.last_sent = 0.0

    async def whole(self, status: int, body: bytes, headers: Headers = (JSON,)) -> None:
        """Answer at once with a body of known length; a 204 has none, and must not name a length."""
        self.started = True
        length = () if status == 204 else ((b"content-length", str(len(body)).encode()),)
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [*headers, *length, *self._base]}
        )
        await self._send({"type": "http.response.body", "body": body})

    async def frames(self, data: bytes, headers: Headers, now: float) -> None:
        """Send one or more whole frames of an event stream; the first call sends the headers too."""
        await self._ping_to_leave()
        self.last_sent = now
        if not self.started:
            await self._start_stream(headers)
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """Close the event stream."""
        await self._ping_to_leave()
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def ping(self, headers: Headers, now: float) -> None:
        """Send a keep-alive comment, unless the one before is still on its way."""
        if self._pinging is None or self._pinging.done():
            self.last_sent = now
            self._pinging = asyncio.ensure_future(self._send_ping(headers, first=not self.started))
            self.started = True  # from here on nobody may answer otherwise

    async def _ping_to_leave(self) -> None:
        """Wait for a ping on its way; who is cancelled while waiting does not take the ping along."""
        if self._pinging is not None:
            await asyncio.shield(self._pinging)
            self._pinging = None

    async def _send_ping(self, headers: Headers, *, first: bool) -> None:
        if first:
            await self._start_stream(headers)
        await self._send({"type": "http.response.body", "body": PING, "more_body": True})

    async def _start_stream(self, headers: Headers) -> None:
        self.started = True
        await self._send(
            {"type": "http.response.start", "status": 200, "headers": [*EVENT_STREAM, *headers, *self._base]}
        )


@dataclass(slots=True)
class Call:
    """One request: its line and headers, a body that is read on demand, and its reply."""

    method: str
    path: str
    scheme: str
    query_string: bytes
    headers: Mapping[bytes, bytes]
    client_address: str
    request_id: str
    started: float
    receive: Receive
    reply: Reply
    max_body: int
    route: Mapping[str, Any] = field(default_factory=dict)
    client_left: bool = False

    def header(self, name: bytes) -> str | None:
        """A header's text, None when absent; latin-1 as HTTP has it."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1").strip()

    async def read_body(self) -> bytes:
        """The whole body, counted, not believed. Raises UnsupportedMedia, TooLarge, TooSlow, ClientLeft."""
        refuse_encoded(self.header(b"content-encoding"))
        declared = self.headers.get(b"content-length", b"")
        if declared.isdigit() and (len(declared) > 12 or int(declared) > self.max_body):
            raise too_large(self.max_body)
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                return await self._read_pieces()
        except TimeoutError:
            raise TooSlow(f"The request body did not arrive within {UPLOAD_SECONDS:.0f} s.") from None

    async def _read_pieces(self) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
            if size > self.max_body:
                raise too_large(self.max_body)
            if not message.get("more_body"):
                return b"".join(pieces)


def refuse_encoded(encoding: str | None) -> None:
    """Raises UnsupportedMedia for a body that would have to be unpacked: its real size is anybody's guess."""
    if encoding and encoding.lower() != "identity":
        raise UnsupportedMedia(
            f"The request body is encoded (Content-Encoding: {encoding[:40]}), and compressed bodies are not read. "
            "Send it as plain JSON, without that header.",
            code="unsupported_content_encoding",
        )


def too_large(limit: int) -> TooLarge:
    """The 413 for a body over `limit` bytes."""
    return TooLarge(f"The request body is larger than {limit} bytes. Send less, or smaller images.")


def collect_headers(pairs: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers as a mapping. Raises BadRequest when one that must be single comes twice with different values."""
    headers: dict[bytes, bytes] = {}
    for name, value in pairs:
        if name in headers and name in SINGLE and headers[name] != value:
            shown = name.decode()
            code = "invalid_policy" if name == b"x-rainymodel-policy" else "duplicate_header"
            raise BadRequest(f"The header {shown} came twice with different values. Send it once.", code=code)
        headers[name] = value
    return headers
