"""Server-sent events, as bytes: splitting what upstreams send, writing what clients read."""

from typing import Any

import orjson

DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"
MAX_EVENT_BYTES = 8 * 1024 * 1024


class EventTooLarge(ValueError):
    """One event grew beyond MAX_EVENT_BYTES."""


def frame(payload: object) -> bytes:
    """One `data:` frame holding the JSON of `payload`."""
    return b"data: " + orjson.dumps(payload) + b"\n\n"


def named_frame(event: dict[str, Any]) -> bytes:
    """One frame with the event's type on the `event:` line, which clients of these dialects go by."""
    kind: str = event["type"]
    return b"event: " + kind.encode() + b"\n" + frame(event)


class EventSplitter:
    """Turns bytes, split anywhere, into the `data` of complete events.

    Follows the SSE specification: LF, CRLF or CR line ends, a leading BOM, comments, several `data:` lines joined by
    LF, other fields ignored; but an event whose data is empty is dropped, as some proxies send them to keep a
    connection alive. Output does not depend on how the bytes were split.
    """

    __slots__ = ("_buffer", "_data", "_skip_lf", "_started")

    def __init__(self) -> None:
        self._buffer = b""
        self._data: list[bytes] = []
        self._started = False
        self._skip_lf = False  # the last piece ended in CR: an LF that follows belongs to it

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of every event that `piece` completes, in order. Raises EventTooLarge."""
        if not self._started:
            piece = self._without_bom(piece)
        if self._skip_lf and piece:
            piece = piece[1:] if piece.startswith(b"\n") else piece
            self._skip_lf = False
        text = self._buffer + piece if self._buffer else piece
        if b"\r" in text:
            text = self._plain_line_ends(text)
        lines = text.split(b"\n")
        self._buffer = lines.pop()
        events = self._take_lines(lines)
        if len(self._buffer) + sum(map(len, self._data)) > MAX_EVENT_BYTES:
            raise EventTooLarge
        return events

    def _take_lines(self, lines: list[bytes]) -> list[bytes]:
        events: list[bytes] = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif not line and self._data:
                data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                if data:
                    events.append(data)
                self._data = []
            elif line == b"data":
                self._data.append(b"")
        return events

    def _plain_line_ends(self, text: bytes) -> bytes:
        self._skip_lf = text.endswith(b"\r")
        return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _without_bom(self, piece: bytes) -> bytes:
        # A BOM may arrive a byte at a time: hold the first bytes back until they can be judged.
        start = self._buffer + piece
        self._buffer = b""
        if len(start) < 3 and b"\xef\xbb\xbf".startswith(start):
            self._buffer = start
            return b""
        self._started = True
        return start.removeprefix(b"\xef\xbb\xbf")
