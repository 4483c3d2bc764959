"""A worker that is short of file descriptors accepts nothing for a while, and drops nothing it has."""

import socket
import sys

import pytest

from rainymodel_site.tests.running import eventually, fetch, finished, program
from rainymodel_site.tests.test_supervisor import Streaming

SETTINGS = {"WEB_WORKERS": "1", "RAINYMODEL_NOTICE_SECONDS": "0", "RAINYMODEL_DRAIN_SECONDS": "1"}

ASK = b"GET /pid HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def is_answered(address: tuple[str, int]) -> bool:
    """Whether a request on a new connection is answered within a second."""
    with socket.create_connection(address, 1) as client:
        client.sendall(ASK)
        try:
            return client.recv(64) != b""
        except TimeoutError:
            return False


@pytest.mark.fault("I20")
def test_accepting_pauses_at_four_fifths_of_the_limit_and_goes_on_when_there_is_room():
    command = f"ulimit -n 128; exec {sys.executable} -m rainymodel_site.tests.supervised 20"
    with program("sh", "-c", command, **SETTINGS) as process:
        url = process.stdout.readline().strip()
        address = ("127.0.0.1", int(url.rsplit(":", 1)[1]))
        stream = Streaming(url + "/stream?30")
        idle = [socket.create_connection(address, 5) for _ in range(95)]
        eventually(lambda: not is_answered(address))
        late = socket.create_connection(address, 5)
        late.sendall(ASK)
        assert stream.ended().endswith("complete\n")
        for connection in idle:
            connection.close()

        late.settimeout(10)
        assert late.recv(4096).startswith(b"HTTP/1.1 200 ")
        late.close()
        assert fetch(f"{url}/full") == "False 1"
        process.terminate()
        _, _, errors = finished(process)

    assert "no connection is accepted: file descriptors run short" in errors
    assert "connections are accepted again" in errors
