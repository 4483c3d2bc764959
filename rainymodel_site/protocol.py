"""uvicorn's HTTP protocol with limits on the request's head, and its refusals in OpenAI's error shape."""

import asyncio
import json
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

HEAD_BYTES = 16 * 1024
HEADERS = 200
REQUESTS_AHEAD = 8  # as many may wait behind a running one before the connection is read no further
REFUSALS = {
    400: (b"Bad Request", "invalid_http", "This is not a valid HTTP/1.1 request."),
    408: (b"Request Timeout", "headers_too_slow", "The request's headers took too long to arrive."),
    431: (
        b"Request Header Fields Too Large",
        "headers_too_large",
        f"The request's headers exceed {HEAD_BYTES} bytes or {HEADERS} lines.",
    ),
}


class HeadTooLarge(Exception):
    """Raised inside the parser, which then stops."""


class CarefulProtocol(HttpToolsProtocol):
    """Refuses heads that are too large or too slow, and tells every request of a connection that its client left.

    A stock server collects heads without end, and lets a request sent behind a running one hide the departure.
    """

    head_seconds: ClassVar[float] = (
        30.0  # from the connection, or a later request's first byte, to the headers' end
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_open = False
        self._unread = 0  # bytes of a head that has come in pieces so far
        self._parsed = 0
        self._refusal = 400
        self._timer: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        for cycle in self._unfinished():
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._head_open and not self.transport.is_closing():
            self._unread += len(data)
            if self._unread > HEAD_BYTES:
                self._refuse(431)
            elif self._timer is None:
                self._start_timer()

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
        if 0 < len(self.pipeline) <= REQUESTS_AHEAD:
            self.flow.resume_reading()  # the end of a connection shows only while it is read

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls when the parser stops."""
        self._refuse(self._refusal)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """What uvicorn calls when a request's turn has come."""
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _unfinished(self) -> list[RequestResponseCycle]:
        """The request that runs and those that wait behind it."""
        waiting = [cycle for cycle, _ in self.pipeline]
        if self._running is None or self._running.response_complete:
            return waiting
        return [self._running, *waiting]

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

    def _refuse(self, status: int) -> None:
        """Answer and close; where an earlier request still has no whole answer, a second one may not cut into it."""
        if not self.transport.is_closing():
            if not self._unfinished():
                self.transport.write(refusal(status))
            self.transport.close()


def refusal(status: int) -> bytes:
    """A complete response."""
    reason, code, message = REFUSALS[status]
    body = json.dumps(
        {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
    )
    head = b"HTTP/1.1 %d %s\r\ncontent-length: %d\r\n" % (status, reason, len(body))
    head += b"content-type: application/json\r\nx-should-retry: false\r\nconnection: close\r\n\r\n"
    return head + body.encode()
