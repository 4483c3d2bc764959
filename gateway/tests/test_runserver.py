"""The gateway under daphne, which knows no lifespan and speaks WebSocket: it stops in order and refuses in order."""

import signal
import socket
from pathlib import Path

import httpx
import pytest

from gateway.tests.live import LiveGateway, live_gateway
from rainymodel_site.tests.running import eventually

MODEL = "fake/slow:first=0,chunk=0.01,chunks=999"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_its_last_rows_are_written_and_nothing_is_left_of_the_worker_in_the_list(
    tmp_path: Path, stop: signal.Signals
):
    body = {"model": "fake/ok", "messages": [{"role": "user", "content": "hi"}]}
    with live_gateway("daphne", tmp_path) as gateway:
        eventually(gateway.registered_workers)
        answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=gateway.headers())
        gateway.process.send_signal(stop)
        gateway.process.wait(15)

        assert answer.status_code == 200
        assert gateway.count("state = 'ok'") == 1
        assert gateway.registered_workers() == 0


def test_a_running_stream_is_ended_and_its_row_written(tmp_path: Path):
    body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "stream": True}
    with live_gateway("daphne", tmp_path) as gateway:
        url = f"{gateway.url}/v1/chat/completions"
        with httpx.stream("POST", url, json=body, headers=gateway.headers()) as answer:
            next(answer.iter_bytes())
            gateway.process.send_signal(signal.SIGTERM)
            gateway.process.wait(15)

        assert gateway.count("stream") == 1


def test_a_websocket_is_refused_before_the_handshake(daphne_gateway: LiveGateway):
    host, port = daphne_gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.sendall(
            f"GET /v1/realtime HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )
        answer = connection.recv(4096)

    assert answer.startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize(
    "path", ["//health", "///health", "//", "//v1/models", "//admin/", "//v1/chat/completions"]
)
def test_a_second_leading_slash_names_nothing(gateway: LiveGateway, path: str):
    answer = httpx.get(f"{gateway.url}{path}")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_url")
