"""A client on a raw socket, for what no HTTP library sends: broken heads, half uploads, silence."""

import contextlib
import json
import re
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from gateway.tests.live import LiveGateway

CHAT = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer; `closed` says that the server ended the connection behind it, `before` what came ahead of it."""

    status: int
    head: str
    body: bytes
    closed: bool
    before: bytes = b""

    @property
    def error(self) -> dict[str, Any]:
        """The object under `error`; the body must be one in our shape."""
        document = json.loads(self.body)
        assert set(document) == {"error"}
        assert set(document["error"]) == {"message", "type", "param", "code"}
        return document["error"]

    def header(self, name: str) -> str:
        """A header's value; empty when absent."""
        found = re.search(rf"^{name}: *(.*?)\r?$", self.head, re.I | re.M)
        return found[1] if found else ""


@contextmanager
def connected(gateway: LiveGateway, receive_buffer: int = 0) -> Iterator[socket.socket]:
    """A connection; a small receive buffer is asked for before the window is told to the server."""
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.socket() as connection:
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(10)
        connection.connect((host, int(port)))
        yield connection


def head(key: str, length: int | None, *lines: str, path: str = CHAT, method: str = "POST") -> bytes:
    """A request's head with a key; `length` None leaves the length out."""
    known = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {key}"]
    known += ["Content-Type: application/json"]
    known += [] if length is None else [f"Content-Length: {length}"]
    return "\r\n".join([*known, *lines, "", ""]).encode("latin-1")


def request(key: str, *lines: str, path: str = CHAT, **fields: Any) -> bytes:
    """A whole chat request."""
    body = json.dumps({"messages": [{"role": "user", "content": "hi"}], **fields}).encode()
    return head(key, len(body), *lines, path=path) + body


def send_all(connection: socket.socket, data: bytes) -> None:
    """Send until everything is sent or the server wants no more."""
    with contextlib.suppress(ConnectionError, TimeoutError):
        connection.sendall(data)


def read_answer(connection: socket.socket, wait: float = 5.0) -> Answer:
    """The next final answer, to its end, and whether the connection ended within `wait`."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65_536):
            data += piece
            if is_whole(data):
                break
    start = data.index(b"HTTP/1.1 ", len(b"HTTP/1.1 100")) if data.startswith(b"HTTP/1.1 100") else 0
    raw_head, _, body = data[start:].partition(b"\r\n\r\n")
    status = int(raw_head.split()[1])
    return Answer(status, raw_head.decode("latin-1"), body, ends(connection, wait), data[:start])


def read_until(connection: socket.socket, mark: bytes) -> bytes:
    """What comes, up to and with a mark."""
    data = b""
    while mark not in data:
        piece = connection.recv(65_536)
        assert piece, data
        data += piece
    return data


def is_whole(data: bytes) -> bool:
    """Whether a final answer is there to its end."""
    part = re.search(rb"HTTP/1\.1 (?!100)(\d+) .*?\r\n\r\n", data, re.S)
    if part is None:
        return False
    length = re.search(rb"content-length: *(\d+)", part[0], re.I)
    if re.search(rb"transfer-encoding: *chunked", part[0], re.I):
        return data.endswith(b"0\r\n\r\n")
    return part[1] == b"204" or (length is not None and len(data) - part.end() >= int(length[1]))


def ends(connection: socket.socket, wait: float) -> bool:
    """Whether the server ends the connection in this time; without any, nobody looks."""
    if not wait:
        return False
    connection.settimeout(wait)
    try:
        while connection.recv(65_536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


def reset(connection: socket.socket) -> None:
    """Close so that the server's side is told at once, by a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def ask(gateway: LiveGateway, *pieces: bytes, wait: float = 0.3) -> Answer:
    """Send on a connection of its own, and read one answer."""
    with connected(gateway) as connection:
        for piece in pieces:
            send_all(connection, piece)
        return read_answer(connection, wait)
