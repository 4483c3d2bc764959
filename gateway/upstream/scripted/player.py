"""Plays one script onto one socket: timed, counted, and never faster than the peer reads."""

import asyncio
import os
import socket
import struct
from collections.abc import Callable

from gateway.upstream.scripted.ledger import Entry
from gateway.upstream.scripted.script import Cut, Hang, Head, Part, Raw, Script, Wait
from gateway.upstream.scripted.wire import response_head

FLUSH_AT = 64 * 1024


class Player:
    """Owns a request from first step to last; calls `on_end(reusable)` once, unless stopped before."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        transport: asyncio.Transport,
        script: Script,
        entry: Entry | None,
        on_end: Callable[[bool], None],
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._steps = iter(script)
        self.entry = entry
        self._on_end = on_end
        self._due = loop.time()
        self._timer: asyncio.Handle | None = None
        self._pending: list[bytes] = []
        self._size = self._payload = self._events = 0
        self._chunked = False
        self._paused = self._waiting_for_peer = False

    def advance(self) -> None:
        """Play steps until the script waits, hangs or ends, or until the peer reads no further."""
        if self._paused:
            self._waiting_for_peer = True
            return
        for step in self._steps:
            if isinstance(step, Part):
                self._add_part(step)
                if self._size > FLUSH_AT:
                    return self._rest(0.0)
            elif isinstance(step, Wait):
                return self._rest(step.seconds)
            elif isinstance(step, Head):
                self._add_head(step)
            elif isinstance(step, Raw):
                self._add(step.data)
            elif isinstance(step, Cut):
                return self._cut(step.how)
            elif isinstance(step, Hang):
                return self._flush()
        self._finish()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        if self._waiting_for_peer:
            self._waiting_for_peer = False
            self.advance()

    def stop(self) -> None:
        """The peer left: no step is played any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._steps = iter(())

    def _add(self, data: bytes) -> None:
        self._pending.append(data)
        self._size += len(data)

    def _add_head(self, head: Head) -> None:
        self._chunked = head.length is None
        self._add(response_head(head.status, head.content_type, head.fields, head.length))

    def _add_part(self, part: Part) -> None:
        data, events = part
        self._payload += len(data)
        self._events += events
        self._add(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked and data else data)

    def _rest(self, seconds: float) -> None:
        """Send what is pending and go on at the due time, which does not drift with the loop's delays."""
        self._flush()
        self._due += seconds
        self._timer = self._loop.call_at(self._due, self.advance)

    def _flush(self) -> None:
        if not self._pending:
            return
        if self.entry is not None:
            self.entry.bytes_out += self._payload
            self.entry.events_out += self._events
        data = b"".join(self._pending)
        self._pending.clear()
        self._size = self._payload = self._events = 0
        self._transport.write(data)

    def _finish(self) -> None:
        """The script is over: completed once the peer's socket has taken everything."""
        if self._chunked:
            self._chunked = False
            self._add(b"0\r\n\r\n")
        # Noted before the last bytes leave: whoever has read the whole answer may look into the ledger.
        self._note_completed(True)
        self._flush()
        if self._paused:
            self._note_completed(False)
            self._waiting_for_peer = True
        else:
            self._on_end(True)

    def _note_completed(self, completed: bool) -> None:
        if self.entry is not None:
            self.entry.completed = completed

    def _cut(self, how: str) -> None:
        self._flush()
        if self.entry is not None:
            self.entry.cut = True
        self._on_end(False)
        if how == "rst":
            reset(self._transport)
        else:
            self._transport.close()


def reset(transport: asyncio.Transport) -> None:
    """Close so that the peer's next read fails with "connection reset"."""
    descriptor = transport.get_extra_info("socket").fileno()
    # A duplicate shares the socket's options, and works on event loops that hand out a restricted socket.
    with socket.socket(fileno=os.dup(descriptor)) as twin:
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
