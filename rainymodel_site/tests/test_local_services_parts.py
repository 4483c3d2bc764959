"""Logs that are set aside, processes told apart, and a status in figures."""

import os
import stat

import pytest

from rainymodel_site.local_services.health import DatabaseState
from rainymodel_site.local_services.logfile import LogFile, older, tail
from rainymodel_site.local_services.processes import birth, has_argument
from rainymodel_site.local_services.status import (
    CRASHED,
    ELSEWHERE,
    NOT_INSTALLED,
    RUNNING,
    STOPPED,
    ServiceState,
    exit_code,
    span,
    table,
)
from rainymodel_site.tests.running import eventually, python

ANSWERS, DOWN = DatabaseState(True, "answers"), DatabaseState(False, "does not answer")


def state_of(state: str, health: str = "ready") -> ServiceState:
    return ServiceState("gateway", state, 7, 61.0, "http://127.0.0.1:8080", 2, health)


def test_a_full_log_is_set_aside_once(tmp_path):
    log = LogFile(tmp_path / "a.log", limit=10)
    for said in (b"first\n", b"second\n", b"third\n", b"a piece longer than the limit\n"):
        log.write(said)
    log.close()

    assert (tmp_path / "a.log").read_text() == "a piece longer than the limit\n"
    assert older(tmp_path / "a.log").read_text() == "third\n"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.log", "a.log.1"]
    assert stat.S_IMODE((tmp_path / "a.log").stat().st_mode) == 0o600


def test_a_log_is_appended_to_and_read_from_its_end(tmp_path):
    for said in (b"one\n", b"two\n", b"three \xff\n"):
        log = LogFile(tmp_path / "a.log")
        log.write(said)
        log.close()

    assert tail(tmp_path / "a.log", 2) == ["two", "three �"]
    assert tail(tmp_path / "a.log", 0) == []
    assert tail(tmp_path / "none.log", 2) == []


def test_a_process_is_known_by_its_birth_and_its_words():
    with python("-c", "import time; time.sleep(600)", "a-token") as process:
        assert birth(process.pid) == birth(process.pid) != birth(os.getpid())
        eventually(lambda: has_argument(process.pid, "a-token"))  # its words are there a moment after itself
        assert not has_argument(process.pid, "a-tok")
        process.kill()
        process.wait()
        assert birth(process.pid) is None
        assert not has_argument(process.pid, "a-token")


@pytest.mark.parametrize(
    ("states", "database", "code"),
    [
        ([RUNNING, RUNNING], ANSWERS, 0),
        ([RUNNING, NOT_INSTALLED], ANSWERS, 0),
        ([ELSEWHERE, NOT_INSTALLED], ANSWERS, 0),
        ([ELSEWHERE, STOPPED], ANSWERS, 3),
        ([RUNNING, RUNNING], DOWN, 1),
        ([RUNNING, CRASHED], ANSWERS, 1),
        ([STOPPED, CRASHED], ANSWERS, 1),
        ([RUNNING, STOPPED], ANSWERS, 3),
        ([STOPPED, STOPPED], DOWN, 3),
        ([NOT_INSTALLED], ANSWERS, 3),
    ],
)
def test_the_exit_code_sums_up(states, database, code):
    assert exit_code([state_of(state) for state in states], database) == code


def test_a_service_that_runs_but_is_not_ready_is_unwell():
    assert exit_code([state_of(RUNNING, "answers 503")], ANSWERS) == 1


def test_the_table_has_columns():
    assert table([state_of(RUNNING)]).splitlines() == [
        "service  state    pid  uptime     address                restarts  health",
        "gateway  running  7    1 min 1 s  http://127.0.0.1:8080  2         ready",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (59, "59 s"), (185, "3 min 5 s"), (7200, "2 h 0 min"), (792_000, "9 d 4 h")],
)
def test_a_length_of_time_is_told_in_two_units(seconds, words):
    assert span(seconds) == words
