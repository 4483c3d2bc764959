"""The proxy that spoils connections: each toxin does what it says, on connections that are open already too."""

import contextlib
import os
import socket
import socketserver
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from bench.toxic import ToxicProxy, toxic, toxic_database


class Echo(socketserver.BaseRequestHandler):
    """Answers what it hears until the connection ends, in order or by a reset."""

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):
            while data := self.request.recv(65_536):
                self.request.sendall(data)


@pytest.fixture
def proxy() -> Iterator[ToxicProxy]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with toxic(("127.0.0.1", server.server_address[1])) as proxy:
            yield proxy
        server.shutdown()


@pytest.fixture
def client(proxy: ToxicProxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as connection:
        connection.sendall(b"hello")
        assert connection.recv(64) == b"hello"
        yield connection


def test_latency_delays_an_answer_and_healing_lets_it_go(proxy: ToxicProxy, client: socket.socket):
    proxy.change(latency=60.0)
    client.sendall(b"late")
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(64)

    proxy.heal()
    client.settimeout(5)
    assert client.recv(64) == b"late"


def test_what_is_frozen_stays_open_and_goes_on_later(proxy: ToxicProxy, client: socket.socket):
    proxy.change(frozen=True)
    client.sendall(b"ice")
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(64)
    assert proxy.open == 1

    proxy.heal()
    client.settimeout(5)
    assert client.recv(64) == b"ice"


def test_a_reset_and_a_refusal_are_felt_as_such(proxy: ToxicProxy, client: socket.socket):
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        client.recv(64)

    proxy.change(refusing=True)
    with (  # the reset may come before `connect` returns
        pytest.raises(ConnectionResetError),
        socket.create_connection(("127.0.0.1", proxy.port), 5) as refused,
    ):
        refused.recv(64)


def test_answers_are_sliced_cut_and_dropped(proxy: ToxicProxy, client: socket.socket):
    proxy.change(dropping=True)
    client.sendall(b"never")
    client.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.recv(64)

    proxy.change(dropping=False, slice=2, cut_after=9)
    client.settimeout(5)
    client.sendall(b"morning")
    pieces = b""
    while piece := client.recv(64):
        pieces += piece
    assert pieces == b"morn"  # 5 bytes of hello had passed before


def test_a_rate_holds_an_answer_for_its_size(proxy: ToxicProxy, client: socket.socket):
    proxy.change(rate=1000)
    began = time.monotonic()
    client.sendall(b"x" * 300)

    assert len(client.recv(4096)) == 300
    assert time.monotonic() - began >= 0.3


def test_a_database_is_reached_through_it():
    with toxic_database(os.environ["DATABASE_URL"]) as (proxy, dsn):
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert proxy.accepted == 1
