"""Heads of requests that are broken, too large or too slow are refused by the worker, in the gateway's error shape."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator

import pytest
import uvicorn
from uvicorn.server import ServerState

from rainymodel_site.protocol import CarefulProtocol
from rainymodel_site.tests import little_app
from rainymodel_site.tests.running import python


@pytest.fixture(scope="module")
def address() -> Iterator[tuple[str, int]]:
    settings = {"WEB_WORKERS": "1", "RAINYMODEL_DRAIN_SECONDS": "0"}
    with python("-m", "rainymodel_site.tests.supervised", "5", **settings) as process:
        host, port = process.stdout.readline().strip().removeprefix("http://").split(":")
        yield host, int(port)


def ask(address: tuple[str, int], *pieces: bytes) -> tuple[int, dict[str, str], bool]:
    """Status, the object under `error` (empty when there is none), and whether the connection was closed."""
    with socket.create_connection(address, timeout=5) as client:
        for piece in pieces:
            client.sendall(piece)
            time.sleep(0.05)
        answer, closed = read_answer(client)
    head, _, body = answer.partition(b"\r\n\r\n")
    error = json.loads(body)["error"] if b"application/json" in head else {}
    return int(head.split()[1]), error, closed


def read_answer(client: socket.socket) -> tuple[bytes, bool]:
    """Everything until the server closes, or falls silent."""
    answer = b""
    client.settimeout(0.5)
    try:
        while piece := client.recv(65536):
            answer += piece
    except TimeoutError:
        return answer, False
    return answer, True


def test_a_usual_request_passes_and_keeps_its_connection(address):
    headers = b"".join(b"x-header-%d: value\r\n" % number for number in range(100))
    status, _, closed = ask(address, b"GET /pid HTTP/1.1\r\nhost: h\r\n", headers, b"\r\n")

    assert (status, closed) == (200, False)


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\r\n\r\n",
        b"GET /pid HTTP/1.1\r\nhost: h\r\nx-bad: a\x00b\r\n\r\n",
        b"GET /pid HTTP/1.1\r\nhost: h\r\nx-bad: a\x0bb\r\n\r\n",
        b"GET /pid HTTP/1.1\r\nhost: h\r\nx bad: a\r\n\r\n",
        b"POST /pid HTTP/1.1\r\nhost: h\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
)
def test_a_broken_head_is_refused_and_the_connection_closed(address, head):
    status, error, closed = ask(address, head)

    assert (status, error["code"], closed) == (400, "invalid_http", True)
    assert error["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "pieces",
    [
        [b"GET /pid HTTP/1.1\r\nhost: h\r\nx-long: " + b"a" * 17_000 + b"\r\n\r\n"],
        [b"GET /pid HTTP/1.1\r\nhost: h\r\nx-long: ", b"a" * 9_000, b"a" * 9_000],
        [b"GET /" + b"a" * 9_000, b"a" * 9_000],
        [b"GET /pid HTTP/1.1\r\nhost: h\r\n" + b"a: b\r\n" * 501 + b"\r\n"],
    ],
)
def test_a_head_that_is_too_large_is_refused_as_soon_as_that_is_known(address, pieces):
    status, error, closed = ask(address, *pieces)

    assert (status, error["code"], closed) == (431, "headers_too_large", True)


class Hasty(CarefulProtocol):
    """With little patience."""

    head_seconds = 0.2


async def little_server(protocol: type[CarefulProtocol]) -> asyncio.Server:
    """The little application under this protocol, in this process."""
    config = uvicorn.Config(little_app.application, log_config=None)
    state = ServerState()
    return await asyncio.get_running_loop().create_server(
        lambda: protocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )


async def say(server: asyncio.Server, sent: bytes) -> bytes:
    """What comes back until the server closes."""
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(sent)
    async with asyncio.timeout(5):
        said = await reader.read()
    writer.close()
    return said


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"GET /pid HTTP/1.1\r\nhost: h\r\n", b"HTTP/1.1 408 Request Timeout"),
        (b"", b""),
        (b"GET /stream?4 HTTP/1.1\r\nconnection: close\r\n\r\n", b"HTTP/1.1 200 OK"),
    ],
)
async def test_a_head_that_never_ends_is_given_up(sent: bytes, answered: bytes):
    async with await little_server(Hasty) as server:
        said = await say(server, sent)

    assert said.startswith(answered)
    assert bool(said) == bool(answered)


async def test_a_broken_head_behind_a_running_request_closes_without_a_word_into_its_answer():
    async with await little_server(CarefulProtocol) as server:
        said = await say(server, b"GET /stream?3 HTTP/1.1\r\nhost: h\r\n\r\nnonsense\r\n\r\n")

    assert b"invalid_http" not in said


async def test_requests_sent_all_at_once_are_answered_one_after_the_other():
    ask_once = b"GET /draining HTTP/1.1\r\nhost: h\r\n\r\n"
    last = b"GET /pid HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n"
    async with await little_server(CarefulProtocol) as server:
        said = await say(server, ask_once * 30 + last)

    assert said.count(b"HTTP/1.1 200 OK") == 31
