"""Answers 503 in the place of workers that keep dying: a client is told at once instead of waiting in the queue.

Plain Python like the supervisor, in whose loop it runs. A single crash is not its cue: what arrives in the second
until the next worker waits in the listening socket's queue, and succeeds. So does what arrives while one starts.
"""

import json
import selectors
import socket
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger("rainymodel_site.understudy")
CUE = 2  # deaths in a row of one place
MOST = 100  # connections at once; more of them wait in the queue
LINGER_SECONDS = 2.0  # a connection's whole life; closed with unread bytes, its answer could be lost
MOUTHFUL = 65_536
MESSAGE = "No worker of this gateway runs at the moment; it is being restarted. Send the request again."


class Understudy:
    """Takes connections of the listener while it is on stage. Its methods are called by the loop of `selector`."""

    def __init__(
        self,
        listener: socket.socket,
        selector: selectors.BaseSelector,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener, self._selector, self._clock = listener, selector, clock
        self._on_stage = self._listening = False
        self._answered: dict[socket.socket, bool] = {}  # by connection, the oldest first
        self._ends: dict[socket.socket, float] = {}
        self._paused_until = 0.0
        self._retry_after = 1

    def play(self, on_stage: bool, retry_after: float = 1.0) -> None:
        """Be on stage or leave it; `retry_after` is in how many seconds a worker may serve again."""
        if on_stage != self._on_stage:
            self._on_stage = on_stage
            log.warning("no worker runs: requests get 503" if on_stage else "a worker serves again")
        self._retry_after = max(1, round(retry_after + 0.499))
        self._end_overdue()
        self._listen(on_stage and len(self._ends) < MOST and self._clock() >= self._paused_until)

    def leave(self) -> None:
        """Close everything; the listener may then be closed."""
        self._listen(False)
        for connection in list(self._ends):
            self._end(connection)

    def attend(self, source: object) -> None:
        """The listener, or one of the connections, has something to read."""
        if source is self._listener and self._listening:
            self._accept()
        elif isinstance(source, socket.socket) and source in self._ends:
            self._hear(source)

    def moments(self) -> list[float]:
        """When something is due here."""
        paused = self._on_stage and self._clock() < self._paused_until
        return [*list(self._ends.values())[:1], *([self._paused_until] if paused else [])]

    def _listen(self, wanted: bool) -> None:
        if wanted and not self._listening:
            self._listener.setblocking(False)
            self._selector.register(self._listener, selectors.EVENT_READ, self)
        elif self._listening and not wanted:
            self._selector.unregister(self._listener)
        self._listening = wanted

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:  # such as no more file descriptors
            log.warning("a connection could not be taken", problem=str(error))
            self._paused_until = self._clock() + 1.0
            return
        connection.setblocking(False)
        self._ends[connection] = self._clock() + LINGER_SECONDS
        self._answered[connection] = False
        self._selector.register(connection, selectors.EVENT_READ, self)

    def _hear(self, connection: socket.socket) -> None:
        """Answer what begins to come; the rest is read and forgotten until the client closes."""
        try:
            if not connection.recv(MOUTHFUL):
                self._end(connection)
            elif not self._answered[connection]:
                self._answered[connection] = True
                connection.send(refusal(self._retry_after))
                connection.shutdown(socket.SHUT_WR)
        except BlockingIOError:
            return
        except OSError:
            self._end(connection)

    def _end_overdue(self) -> None:
        now = self._clock()
        for connection in [connection for connection, end in self._ends.items() if end <= now]:
            self._end(connection)

    def _end(self, connection: socket.socket) -> None:
        del self._ends[connection], self._answered[connection]
        self._selector.unregister(connection)
        connection.close()


def refusal(retry_after: int) -> bytes:
    """The whole answer."""
    error = {"message": MESSAGE, "type": "service_unavailable", "param": None, "code": "starting"}
    body = json.dumps({"error": error})
    head = f"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    head += f"retry-after: {retry_after}\r\nx-should-retry: true\r\nconnection: close\r\n\r\n"
    return (head + body).encode()
