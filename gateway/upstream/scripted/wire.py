"""Just enough HTTP/1.1 to be an upstream: bytes in, one whole request out; a response head as bytes."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

MAX_HEAD = 64 * 1024


class BadRequest(Exception):
    """The client's bytes are not a request that can be read; the connection cannot go on."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request with its whole body; `head` holds the bytes from the request line to the last field."""

    method: str
    path: str
    head: bytes
    body: bytes
    keep_alive: bool


def parse_fields(head: bytes) -> dict[str, str]:
    """The header fields of a raw head, names in lower case, repeated values joined by a comma."""
    fields: dict[str, str] = {}
    for line in head.decode("latin-1").split("\r\n")[1:]:
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip()
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields


def find_field(lowered: bytes, name: bytes) -> bytes:
    """One field's value out of a lower-cased head: what the hot path needs, without parsing the others."""
    start = lowered.find(b"\r\n" + name + b":")
    if start < 0:
        return b""
    start += len(name) + 3
    end = lowered.find(b"\r\n", start)
    return lowered[start : end if end >= 0 else None].strip()


class RequestReader:
    """Collects bytes and gives back whole requests, one at a time."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: bytes | None = None
        self._length = 0
        self._chunks: list[bytes] | None = None
        self._keep_alive = True
        self.wants_continue = False

    @property
    def has_bytes(self) -> bool:
        return bool(self._buffer)

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next_request(self) -> Request | None:
        """The next request, None while it is incomplete. Raises BadRequest."""
        if self._head is None and not self._read_head():
            return None
        body = self._read_chunks() if self._chunks is not None else self._read_length()
        if body is None:
            return None
        return self._finish(body)

    def _read_head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                raise BadRequest("head too large")
            return False
        self._head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        self._read_framing(self._head.lower())
        return True

    def _read_framing(self, lowered: bytes) -> None:
        self._chunks = [] if find_field(lowered, b"transfer-encoding") == b"chunked" else None
        length = find_field(lowered, b"content-length") or b"0"
        if not length.isdigit():
            raise BadRequest("content-length is not a number")
        self._length = int(length)
        self._keep_alive = find_field(lowered, b"connection") != b"close"
        self.wants_continue = find_field(lowered, b"expect") == b"100-continue"

    def _read_length(self) -> bytes | None:
        if len(self._buffer) < self._length:
            return None
        body = bytes(self._buffer[: self._length])
        del self._buffer[: self._length]
        return body

    def _read_chunks(self) -> bytes | None:
        """Take the chunks that are complete; the joined body once the last one is there."""
        assert self._chunks is not None
        while (line := self._buffer.find(b"\r\n")) >= 0:
            size = self._chunk_size(bytes(self._buffer[:line]))
            end = line + 2 + size
            if len(self._buffer) < end + 2:
                return None
            if size:
                self._chunks.append(bytes(self._buffer[line + 2 : end]))
            del self._buffer[: end + 2]
            if not size:
                return b"".join(self._chunks)
        return None

    @staticmethod
    def _chunk_size(line: bytes) -> int:
        try:
            return int(line.partition(b";")[0], 16)
        except ValueError:
            raise BadRequest("chunk size is not a number") from None

    def _finish(self, body: bytes) -> Request:
        head, self._head = self._head or b"", None
        words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise BadRequest("no request line")
        self.wants_continue = False
        return Request(words[0], words[1], head, body, self._keep_alive and words[2] == "HTTP/1.1")


@lru_cache(maxsize=1024)
def status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    return f"HTTP/1.1 {status} {phrase}\r\n".encode()


@lru_cache(maxsize=1024)
def response_head(
    status: int, content_type: str, fields: Iterable[tuple[str, str]] = (), length: int | None = None
) -> bytes:
    """A whole response head; without a length the body is chunked."""
    framing = ("transfer-encoding", "chunked") if length is None else ("content-length", str(length))
    lines = [f"{name}: {value}\r\n" for name, value in (("content-type", content_type), framing, *fields)]
    return status_line(status) + "".join(lines).encode("latin-1") + b"\r\n"
