"""While every worker dies again and again, a client gets a 503 at once; a single crash costs nobody an answer."""

import http.client
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rainymodel_site.tests.running import eventually, finished
from rainymodel_site.tests.test_supervisor import Running, supervised


@dataclass(frozen=True)
class Answer:
    """What one request got."""

    status: int
    headers: dict[str, str]
    body: bytes


@contextmanager
def crashing(fault: Path, workers: int = 1) -> Iterator[Running]:
    """A supervisor that has served; while the file `fault` exists, no worker gets through its start."""
    with supervised(workers=workers, LITTLE_APP_FAULT=str(fault)) as running:
        pids = running.pids(workers)
        fault.touch()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        yield running


def ask(running: Running, body: bytes = b"") -> Answer:
    """A POST on a connection of its own."""
    connection = http.client.HTTPConnection(running.url.removeprefix("http://"), timeout=30)
    try:
        connection.request("POST", "/pid", body)
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, answer.read())
    finally:
        connection.close()


@pytest.mark.fault("I21")
@pytest.mark.parametrize("workers", [1, 2])
def test_while_no_worker_lives_every_request_gets_a_503_and_afterwards_an_answer(
    tmp_path: Path, workers: int
):
    fault = tmp_path / "fault"
    with crashing(fault, workers) as running:
        answers = [ask(running, b"x" * size) for size in (0, 10, 1_000_000) for _ in range(10)]
        fault.unlink()
        eventually(lambda: ask(running).status == 200, within=60)
        later = [ask(running).status for _ in range(10)]

    assert {answer.status for answer in answers} == {503}
    told = answers[-1]
    error = json.loads(told.body)["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["code"]) == ("service_unavailable", "starting")
    assert int(told.headers["retry-after"]) >= 1
    assert (told.headers["connection"], told.headers["x-should-retry"]) == ("close", "true")
    assert later == [200] * 10


@pytest.mark.fault("I21")
def test_clients_that_say_nothing_do_not_keep_others_from_their_503(tmp_path: Path):
    with crashing(tmp_path / "fault") as running:
        ask(running)
        host, port = running.url.removeprefix("http://").split(":")
        silent = [socket.create_connection((host, int(port))) for _ in range(150)]
        answer = ask(running)
        for connection in silent:
            connection.settimeout(30)
        ends = [connection.recv(1) for connection in silent]
        for connection in silent:
            connection.close()

    assert answer.status == 503
    assert ends == [b""] * 150


@pytest.mark.fault("I21")
def test_a_stop_while_no_worker_lives_ends_at_once(tmp_path: Path):
    with crashing(tmp_path / "fault") as running:
        ask(running)
        running.tell(signal.SIGTERM)

        assert finished(running.process)[0] == 0


def test_after_a_single_crash_requests_wait_for_the_next_worker(tmp_path: Path):
    with supervised() as running:
        (pid,) = running.pids(1)
        os.kill(pid, signal.SIGKILL)
        answer = ask(running)

    assert answer.status == 200
    assert int(answer.body) != pid
