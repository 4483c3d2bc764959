"""A worker whose event loop stands still says where; one whose loop does not come back is replaced."""

import signal
import threading
import urllib.error
from contextlib import suppress

import pytest

from rainymodel_site.tests.running import eventually, fetch, finished
from rainymodel_site.tests.test_supervisor import Running, supervised

pytestmark = pytest.mark.fault("I19")


def hold(running: Running, path: str) -> None:
    """Ask for what holds the loop, without waiting for the answer."""

    def ask() -> None:
        with suppress(OSError):
            fetch(running.url + path)

    threading.Thread(target=ask, daemon=True).start()


def test_a_stall_is_told_with_the_place_and_without_any_value_and_the_worker_lives_on():
    with supervised(RAINYMODEL_LOOP_STALL_SECONDS="20") as running:
        (worker,) = running.pids(1)
        assert running.get("/nap") == "rested"
        eventually(lambda: running.get("/stalls") != "0")
        assert running.pids(1) == {worker}
        running.tell(signal.SIGTERM)
        _, _, errors = finished(running.process)

    assert "the event loop stands still" in errors
    assert "little_app.py" in errors and " nap" in errors
    assert "the event loop stood still" in errors
    assert "a value that no log may hold" not in errors


@pytest.mark.parametrize(
    ("path", "said"),
    [("/block", "this worker ends"), ("/backtrack", "Timeout (0:00:0")],
    ids=["in a call that lets threads run", "in one that does not"],
)
def test_a_worker_whose_loop_does_not_come_back_is_replaced(path: str, said: str):
    with supervised(RAINYMODEL_LOOP_STALL_SECONDS="1") as running:
        (held,) = running.pids(1)
        hold(running, path)
        eventually(lambda: running.get("/pid") != str(held))
        running.tell(signal.SIGTERM)
        code, _, errors = finished(running.process)

    assert code == 0
    assert said in errors
    assert "worker died" in errors


def test_with_the_limit_at_nothing_a_slow_worker_is_left_alone():
    with supervised(RAINYMODEL_LOOP_STALL_SECONDS="0") as running:
        (worker,) = running.pids(1)
        assert running.get("/nap") == "rested"
        with suppress(urllib.error.URLError):
            assert running.pids(1) == {worker}
