"""Workers are kept alive on one socket, replaced without a gap, and stopped gently."""

import http.client
import os
import select
import signal
import socket
import subprocess
import threading
import time
import urllib.error
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from rainymodel_site.listening import CannotListen, listen, visit_url
from rainymodel_site.tests.running import eventually, fetch, finished, is_alive, python
from rainymodel_site.workers import Slot, Worker, start_worker


@dataclass
class Running:
    """A supervisor that serves."""

    process: subprocess.Popen[str]
    url: str

    def get(self, path: str) -> str:
        return fetch(self.url + path)

    def pids(self, count: int) -> set[int]:
        found: set[int] = set()

        def all_seen() -> bool:
            found.add(int(self.get("/pid")))
            return len(found) == count

        eventually(all_seen)
        return found

    def tell(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@contextmanager
def supervised(
    *, workers: int = 1, notice: float = 0, drain: float = 5, patience: float = 20, **more: str
) -> Iterator[Running]:
    settings = {
        "WEB_WORKERS": str(workers),
        "RAINYMODEL_NOTICE_SECONDS": str(notice),
        "RAINYMODEL_DRAIN_SECONDS": str(drain),
    }
    with python("-m", "rainymodel_site.tests.supervised", str(patience), **settings, **more) as process:
        yield Running(process, process.stdout.readline().strip())


class Streaming(threading.Thread):
    """A client that reads a stream to its end."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.text, self._url = "", url
        self.start()

    def run(self) -> None:
        try:
            self.text = fetch(self._url)
        except http.client.IncompleteRead as broken:
            self.text = broken.partial.decode()
        except OSError:
            self.text = "refused"

    def ended(self) -> str:
        self.join(30)
        return self.text


def test_every_worker_accepts_on_the_one_socket_and_knows_its_number():
    with supervised(workers=2) as running:
        running.pids(2)
        numbers: set[str] = set()
        eventually(lambda: numbers.add(running.get("/number")) or numbers == {"1", "2"})


@pytest.mark.fault("I21")
def test_a_worker_that_crashed_is_replaced():
    with supervised() as running:
        (first,) = running.pids(1)
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            running.get("/crash")

        (second,) = running.pids(1)
        assert second != first


def test_a_worker_that_somebody_told_to_finish_is_replaced_without_a_pause():
    with supervised() as running:
        seen = []
        for _ in range(3):
            (pid,) = running.pids(1)
            seen.append(pid)
            os.kill(pid, signal.SIGTERM)
            eventually(lambda gone=str(pid): running.get("/pid") != gone)
        running.tell(signal.SIGTERM)
        code, _, errors = finished(running.process)

    assert (code, len(set(seen))) == (0, 3)
    assert "worker died" not in errors
    assert errors.count("worker ended") == 3


def test_a_worker_ends_whose_supervisor_died_before_it_heard_a_word():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        worker = start_worker(1, listener, "rainymodel_site.tests.little_app:application", time.monotonic())
        select.select([worker.channel], [], [], 30)
        worker.channel.close()

        assert worker.process.wait(30) == 0


@pytest.mark.fault("I21")
def test_the_pause_before_a_restart_grows_and_a_long_life_forgives():
    slot = Slot(1)

    def lived(seconds: float) -> float:
        return slot.back_off(Worker(1, None, None, started=100.0), now=100.0 + seconds)

    assert [lived(1) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    assert slot.due == 131.0
    assert lived(60) == 1


def test_a_stop_lets_a_running_stream_finish_and_exits_with_0(tmp_path: Path):
    with supervised(LITTLE_APP_NOTE=str(tmp_path / "note")) as running:
        stream = Streaming(running.url + "/stream?10")
        time.sleep(0.3)
        running.tell(signal.SIGTERM)

        assert stream.ended().endswith("complete\n")
        assert finished(running.process)[0] == 0
        assert (tmp_path / "note").read_text() == "stopped in order"


def test_after_the_drain_a_stream_is_cut_with_its_last_words(tmp_path: Path):
    with supervised(drain=0.5, LITTLE_APP_NOTE=str(tmp_path / "note")) as running:
        stream = Streaming(running.url + "/stream?600")
        time.sleep(0.3)
        running.tell(signal.SIGTERM)

        assert stream.ended().endswith("cut short\n")
        code, _, errors = finished(running.process)
        assert (code, errors) == (0, "")
        assert (tmp_path / "note").read_text() == "stopped in order"


def test_during_the_notice_requests_are_taken_and_afterwards_the_port_is_free():
    with supervised(notice=1.5) as running:
        assert running.get("/draining") == "False"
        running.tell(signal.SIGTERM)

        eventually(lambda: running.get("/draining") == "True", within=1)
        finished(running.process)
        with pytest.raises(urllib.error.URLError):
            running.get("/pid")


def test_a_signal_to_the_whole_group_stops_as_gently_as_one_to_the_supervisor():
    with supervised() as running:
        (worker,) = running.pids(1)
        stream = Streaming(running.url + "/stream?10")
        time.sleep(0.3)
        os.killpg(running.process.pid, signal.SIGINT)
        os.kill(worker, signal.SIGTERM)
        os.kill(worker, signal.SIGINT)

        assert stream.ended().endswith("complete\n")
        assert finished(running.process)[0] == 0


def test_a_second_ctrl_c_does_not_wait_for_streams():
    with supervised(drain=60) as running:
        stream = Streaming(running.url + "/stream?600")
        time.sleep(0.3)
        running.tell(signal.SIGINT)
        time.sleep(1.2)
        running.tell(signal.SIGINT)

        assert finished(running.process, within=5)[0] == 0
        assert "complete" not in stream.ended()


def test_a_worker_that_does_not_stop_is_killed():
    with supervised(drain=0, patience=0.5) as running:
        Streaming(running.url + "/block")
        time.sleep(0.3)
        running.tell(signal.SIGTERM)

        code, _, errors = finished(running.process, within=10)
        assert code == 0
        assert "killing workers that did not stop" in errors


def test_workers_do_not_outlive_a_killed_supervisor():
    with supervised(workers=2, drain=1) as running:
        workers = running.pids(2)
        running.tell(signal.SIGKILL)

        eventually(lambda: not any(map(is_alive, workers)))


def test_sighup_replaces_every_worker_and_refuses_no_request():
    with supervised(workers=2) as running:
        before = running.pids(2)
        running.tell(signal.SIGHUP)

        eventually(lambda: int(running.get("/pid")) and not any(map(is_alive, before)))
        assert not running.pids(2) & before


def test_a_hang_up_stops_a_supervisor_that_a_terminal_started():
    with supervised(LITTLE_APP_TERMINAL="yes") as running:
        running.tell(signal.SIGHUP)

        assert finished(running.process)[0] == 0


def test_a_worker_that_cannot_be_configured_ends_the_start_with_its_sentence():
    with supervised(workers=1, LITTLE_APP="unconfigured") as running:
        code, _, errors = finished(running.process)

    assert code == 1
    assert errors.strip() == "LITTLE_APP is unconfigured, for a test."


@pytest.mark.fault("I16")
@pytest.mark.parametrize("variable", ["TMPDIR", "RAINYMODEL_STATE_DIR"])
def test_a_directory_that_takes_no_megabyte_ends_the_start_with_a_sentence(tmp_path: Path, variable: str):
    (tmp_path / "file").write_text("where a directory should be")
    with supervised(**{variable: str(tmp_path / "file")}) as running:
        code, _, errors = finished(running.process)

    assert code == 1
    assert len(errors.strip().splitlines()) == 1
    assert errors.startswith("RainyModel cannot start: ") and str(tmp_path / "file") in errors


def test_a_port_in_use_is_told_in_one_sentence():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port}: it is already in use"):
            listen("127.0.0.1", port)


def test_a_host_that_is_no_address_here_is_told_in_one_sentence():
    with pytest.raises(CannotListen, match="HOST names 'no such host'"):
        listen("no such host", 0)
    with pytest.raises(CannotListen, match="this machine has no such address"):
        listen("192.0.2.1", 0)


def test_a_browser_is_sent_to_an_address_it_can_open():
    with listen("0.0.0.0", 0) as everywhere:
        assert visit_url(everywhere) == f"http://localhost:{everywhere.getsockname()[1]}"
    if socket.has_ipv6:
        with listen("::1", 0) as loopback:
            assert visit_url(loopback) == f"http://[::1]:{loopback.getsockname()[1]}"
