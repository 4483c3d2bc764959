"""One HTTP call as the gateway sees it: what came in, and the one way to answer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.errors import BadRequest, ClientLeft, Headers, TooLarge, TooSlow, UnsupportedMedia
from gateway.sse import PING
from gateway.time_limit import TimeLimit

if TYPE_CHECKING:
    from gateway.prompts.capture import Capture

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
        b"x-rainymodel-provider",
    }
)
SLOWEST_UPLOAD = 1024  # bytes per second


class Reply:
    """The answer to one call. Headers go out once; every frame goes out whole."""

    __slots__ = ("_base", "_pinging", "_send", "_untaken", "last_sent", "started")

    def __init__(self, send: Send, base: Headers) -> None:
        self._send, self._base = send, base
        self._pinging: asyncio.Task[None] | None = None
        self.started = self._untaken = False
        self.last_sent = 0.0

    def overhear(self, hear: Callable[[dict[str, Any]], None]) -> None:
        """From here on, tell `hear` every message that is sent."""
        send = self._send

        async def send_and_tell(message: dict[str, Any]) -> None:
            hear(message)
            await send(message)

        self._send = send_and_tell

    async def whole(
        self, status: int, body: bytes, headers: Headers = (JSON,), *, untaken: bool = False
    ) -> None:
        """Answer at once with a body of known length; a 204 has none, and must not name a length.

        `untaken`: the answer ends with `taken`, which must follow.
        """
        self.started = True
        length = () if status == 204 else ((b"content-length", str(len(body)).encode()),)
        await self._send(
            {"type": "http.response.start", "status": status, "headers": [*headers, *length, *self._base]}
        )
        self._untaken = untaken
        await self._send({"type": "http.response.body", "body": body, "more_body": untaken})

    async def taken(self) -> None:
        """End an answer that was sent `untaken`: when the client has read nearly all of it, or has left."""
        if self._untaken:
            self._untaken = False
            await self._send({"type": "http.response.body", "body": b""})

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
    upload_seconds: float = 30.0
    route: Mapping[str, Any] = field(default_factory=dict)
    client_left: bool = False
    capture: "Capture | None" = None

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
            with TimeLimit(self._seconds_for(0)) as limit:
                return await self._read_pieces(limit)
        except TimeoutError:
            raise TooSlow(
                f"The request body arrived too slowly: it must be complete within {self.upload_seconds:g} s, and come "
                f"at {SLOWEST_UPLOAD} bytes per second or faster. Send it again over a faster connection."
            ) from None

    def _seconds_for(self, size: int) -> float:
        """How long an upload of which `size` bytes are here may have taken: a third of its time is free."""
        return min(self.upload_seconds, max(self.upload_seconds / 3, size / SLOWEST_UPLOAD))

    async def _read_pieces(self, limit: TimeLimit) -> bytes:
        pieces: list[bytes] = []
        size = 0
        began = asyncio.get_running_loop().time()
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
            limit.reschedule(began + self._seconds_for(size))


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
    """Headers as a mapping. Raises BadRequest when one that must be single comes twice with different values, and for
    a second Host in any case.

    Two policies are joined by a comma, as HTTP has it, and so become one that nobody knows.
    """
    headers: dict[bytes, bytes] = {}
    for name, value in pairs:
        if name in headers:
            if name == b"x-rainymodel-policy":
                value = headers[name] + b", " + value
            elif name == b"host" or (name in SINGLE and headers[name] != value):
                shown = name.decode()
                said = f"The header {shown} came twice. Send it once, with one value."
                raise BadRequest(said, code="duplicate_header")
        headers[name] = value
    return headers
