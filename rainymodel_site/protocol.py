"""uvicorn's HTTP protocol with limits on the request's head, on what is sent ahead, and on who does not read."""

import asyncio
import fcntl
import json
import struct
import termios
from collections.abc import Iterable
from typing import Any, ClassVar

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from rainymodel_site.patience import SLOWEST, read_patience

HEAD_BYTES = 16 * 1024
HEADERS = 200
# What may wait behind a running request; a connection whose end hides behind more than this would go unnoticed.
REQUESTS_AHEAD, BYTES_AHEAD = 100, 64 * 1024
LINGER_SECONDS = 2.0  # until a connection is closed whose client was answered in the middle of its upload
PARTING_SECONDS = 1  # that a kept connection stays open behind its last answer once the worker stops
REFUSALS = {
    400: (b"Bad Request", "invalid_http", "This is not a valid HTTP/1.1 request."),
    403: (
        b"Forbidden",
        "websocket_not_served",
        "WebSocket is not spoken here. Send a POST with `stream` set to true, and read server-sent events.",
    ),
    408: (b"Request Timeout", "headers_too_slow", "The request's headers took too long to arrive."),
    431: (
        b"Request Header Fields Too Large",
        "headers_too_large",
        f"The request's headers exceed {HEAD_BYTES} bytes or {HEADERS} lines.",
    ),
}


class HeadTooLarge(Exception):
    """Raised inside the parser, which then stops."""


class UploadTransport:
    """The transport of a request whose body is still arriving: closed in a way that lets the answer be read."""

    __slots__ = ("_protocol", "is_closing", "write")

    def __init__(self, protocol: "CarefulProtocol") -> None:
        self._protocol = protocol
        self.write, self.is_closing = protocol.transport.write, protocol.transport.is_closing

    def close(self) -> None:
        """The answer is out, the rest of the body is not wanted."""
        self._protocol.linger()


class CarefulProtocol(HttpToolsProtocol):
    """Refuses heads that are too large or too slow, tells every request of a connection that its client left, ends
    a connection after an answer in the middle of an upload, and cuts off a client that does not read.

    A stock server collects heads without end, lets a request sent behind a running one hide the departure, reads a
    refused upload to its end, and waits for a slow reader for ever.
    """

    head_seconds: ClassVar[float] = (
        30.0  # from the connection, or a later request's first byte, to the headers' end
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_open = False
        self._unread = 0  # bytes of a head that has come in pieces so far
        self._parsed = 0
        self._ahead = 0  # bytes that came while a request waited behind the running one
        self._refusal = 400
        self._timer: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        self._keeps_alive = True  # what becomes of the connection when the upload is complete
        self._lingering = False
        self._stall: asyncio.TimerHandle | None = None
        self._unsent = 0  # bytes that waited for the client when it was looked at last

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_stall()
        self._client_left()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """A client that closes its half has left: whoever reads on cannot be told from one who is gone."""
        self._client_left()

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            return
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._head_open:
            self._unread += len(data)
            if self._unread > HEAD_BYTES:
                self._refuse(431)
            elif self._timer is None:
                self._start_timer()
        elif self.cycle is not None and self.cycle.more_body:
            self._upload_goes_on(self.cycle)
        if self.pipeline:
            self._ahead += len(data)
            if self._ahead > BYTES_AHEAD or len(self.pipeline) > REQUESTS_AHEAD:
                self.transport.abort()
        else:
            self._ahead = 0

    def on_message_begin(self) -> None:
        self._head_open, self._unread, self._parsed = True, 0, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._parsed += len(name) + len(value) + 4
        if self._parsed > HEAD_BYTES or len(self.headers) >= HEADERS:
            self._refusal = 431
            raise HeadTooLarge
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_open = False
        self._stop_timer()
        super().on_headers_complete()
        if self.pipeline:
            self.flow.resume_reading()  # the end of a connection shows only while it is read

    def on_message_complete(self) -> None:
        if self.cycle.transport is not self.transport and not self._lingering:
            self.cycle.transport, self.cycle.keep_alive = self.transport, self._keeps_alive
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """What uvicorn calls after the last byte of an answer; a connection on its way out takes no further request."""
        if not self._lingering:
            super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls when the parser stops."""
        self._refuse(self._refusal)

    def pause_writing(self) -> None:
        """The client does not read as fast as it is written to: from now on somebody looks."""
        super().pause_writing()
        self._unsent = self._bytes_unsent()
        self._stop_stall()
        self._stall = self.loop.call_later(read_patience().stall, self._look_at_reader)

    def resume_writing(self) -> None:
        self._stop_stall()
        super().resume_writing()

    def shutdown(self) -> None:
        """The worker stops. A client that was not told so may be sending its next request just now: it gets a moment,
        and an answer that says `connection: close`.
        """
        self.timeout_keep_alive = PARTING_SECONDS
        if not self._unfinished():
            self.loop.call_later(PARTING_SECONDS, self._part)
        elif self._running is not None and not self._running.response_started:
            self._keeps_alive = self._running.keep_alive = False  # its own answer can still say so

    def linger(self) -> None:
        """Send no more and read no more, and close in a moment: closed at once, unread bytes would reset the
        connection and destroy the answer on its way.
        """
        if not self._lingering and not self.transport.is_closing():
            self._lingering = True
            self.flow.pause_reading()
            self.transport.write_eof()
            self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """What uvicorn calls when a request's turn has come."""
        if self.parser.should_upgrade() and wants_websocket(cycle.scope["headers"]):
            self._refuse(403)
            return
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _unsupported_upgrade_warning(self) -> None:
        """Anybody may ask for another protocol, as often as they like; that is not worth a line."""

    def _upload_goes_on(self, cycle: RequestResponseCycle) -> None:
        """An answer before the body's end closes the connection; a large body is read when it is asked for."""
        if cycle.transport is self.transport:
            self._keeps_alive, cycle.keep_alive = cycle.keep_alive, False
            cycle.transport = UploadTransport(self)  # type: ignore[assignment]  # all that a cycle asks of one
            if declared_length(cycle.scope["headers"]) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()

    def _client_left(self) -> None:
        for cycle in self._unfinished():
            cycle.disconnected = True
            cycle.message_event.set()

    def _unfinished(self) -> list[RequestResponseCycle]:
        """The request that runs and those that wait behind it."""
        waiting = [cycle for cycle, _ in self.pipeline]
        if self._running is None or self._running.response_complete:
            return waiting
        return [self._running, *waiting]

    def _part(self) -> None:
        if self._head_open:
            self._refuse(408)
        elif not self._unfinished():
            self.transport.close()

    def _start_timer(self) -> None:
        self._timer = self.loop.call_later(self.head_seconds, self._too_slow)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_slow(self) -> None:
        """A head in pieces gets an answer; a connection that never spoke is just closed."""
        self._timer = None
        if self._head_open:
            self._refuse(408)
        else:
            self.transport.close()

    def _look_at_reader(self) -> None:
        """Cut off a client that took next to nothing since the last look."""
        waiting, stall = self._bytes_unsent(), read_patience().stall
        if self._unsent - waiting < stall * SLOWEST:
            self.transport.abort()
        else:
            self._unsent = waiting
            self._stall = self.loop.call_later(stall, self._look_at_reader)

    def _stop_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _bytes_unsent(self) -> int:
        """What the client has not taken, here and in the socket: a socket's buffer drains long before it is written."""
        return self.transport.get_write_buffer_size() + socket_queue(self.transport)

    def _refuse(self, status: int) -> None:
        """Answer and close; where an earlier request still has no whole answer, a second one may not cut into it.

        A request whose own body breaks gets none but this, unless its answer has begun.
        """
        if not self.transport.is_closing():
            unfinished = self._unfinished()
            own = unfinished == [self.cycle] and self.cycle.more_body and not self.cycle.response_started
            self._client_left()
            if own or not unfinished:
                self.transport.write(refusal(status))
            self.transport.close()


def wants_websocket(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the request asks for WebSocket; other upgrades (h2c) may be ignored, as HTTP has it."""
    return any(name == b"upgrade" and value.lower() == b"websocket" for name, value in headers)


def declared_length(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """The Content-Length, which the parser has checked; 0 without one."""
    return next((int(value) for name, value in headers if name == b"content-length"), 0)


def socket_queue(transport: asyncio.Transport) -> int:
    """Bytes in the kernel that the peer has not acknowledged; 0 where the system does not tell."""
    descriptor = transport.get_extra_info("socket").fileno()
    try:
        answer = fcntl.ioctl(descriptor, termios.TIOCOUTQ, struct.pack("i", 0))
    except OSError:
        return 0
    return int(struct.unpack("i", answer)[0])


def refusal(status: int) -> bytes:
    """A complete response."""
    reason, code, message = REFUSALS[status]
    body = json.dumps(
        {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
    )
    head = b"HTTP/1.1 %d %s\r\ncontent-length: %d\r\n" % (status, reason, len(body))
    head += b"content-type: application/json\r\nx-should-retry: false\r\nconnection: close\r\n\r\n"
    return head + body.encode()
