"""A short run measures everything and accounts for every request; what it prints can be trusted. No limits on time."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bench.__main__ import main
from bench.client import whole_length
from bench.cores import share_out
from bench.figures import Counts, Figures, LatencyFigures
from bench.loads import CannotMeasure, Load, chat_request, run_load
from bench.measure import children, cpu_seconds, peak_mb, percentile, resident_mb
from bench.report import (
    CHUNK_BUDGET,
    CHUNK_GOAL,
    JSON_BUDGET,
    JSON_GOAL,
    MEMORY_BUDGET,
    P50_BUDGET,
    P99_BUDGET,
    PLAN_BUDGET,
    budget,
    report,
)
from gateway.upstream.scripted import ScriptedUpstream, scripted_upstream

FOUND = Counts(answered=10, direct=2, upstream=12, rows=10, good_rows=10)
NOWHERE: frozenset[int] = frozenset()


@pytest.fixture
def upstream() -> Iterator[ScriptedUpstream]:
    """An upstream that plays whatever scenario a request names."""
    with scripted_upstream() as upstream:
        yield upstream


def test_a_short_run_reports_every_figure_and_accounts_for_every_request(capsys: pytest.CaptureFixture[str]):
    before = set(children(os.getpid()))

    code = main(["--short"])
    said, errors = capsys.readouterr()
    if (
        code
    ):  # a busy machine may keep Postgres from answering about limits in time, and requests are refused then
        code = main(["--short"])
        said, errors = capsys.readouterr()

    for figure in (
        "CPU per request",
        "requests per second",
        "20 streams",
        "300 streams",
        "p50",
        "p99",
        "at rest",
    ):
        assert figure in said, errors
    assert "nan" not in said
    found = re.search(
        r"Counts: (\d+) requests answered and (\d+) failed; the upstream saw (\d+), (\d+) of them direct; (\d+) log",
        said,
    )
    assert found, said
    answered, failed, upstream, direct, rows = map(int, found.groups())
    assert answered > 320
    assert (failed, upstream, rows) == (0, answered + direct, answered)
    assert code == 0
    assert set(children(os.getpid())) <= before


@pytest.mark.parametrize(
    "wrong",
    [
        {"failed": 1},
        {"answered": 0, "upstream": 2, "rows": 0, "good_rows": 0},
        {"rows": 9, "good_rows": 9},
        {"rows": 11, "good_rows": 11},
        {"good_rows": 9},
        {"upstream": 13},
    ],
)
def test_counts_agree_only_when_every_request_is_in_all_three(wrong: dict[str, int]):
    counts = {
        name: getattr(FOUND, name)
        for name in ("answered", "direct", "failed", "upstream", "rows", "good_rows")
    }

    assert FOUND.agree
    assert not Counts(**counts | wrong).agree


def test_a_report_says_when_counts_do_not_agree_and_leaves_out_what_was_not_measured():
    said = report(Figures(where="here", counts=Counts(answered=1)), datetime(2026, 1, 31, tzinfo=UTC))

    assert "THEY DO NOT AGREE" in said
    assert "CPU" not in said


def test_each_figure_is_shown_beside_its_budget():
    assert budget(301, 300, "µs", 200) == "budget 300 µs, goal 200: over"
    assert budget(250, 300, "µs", 200) == "budget 300 µs, goal 200: within"
    assert budget(200, 300, "µs", 200) == "budget 300 µs, goal 200: at the goal"
    assert budget(0.5, 0.8, "ms") == "budget 0.8 ms: within"


def test_added_latency_is_what_the_gateway_takes_beyond_the_upstream_itself():
    latency = LatencyFigures(100, 1.0, 4.0, direct_p50=0.25, direct_p99=1.5, plain_p50=0.1, plain_p99=0.2)

    assert (latency.added_p50, latency.added_p99) == (0.75, 2.5)


def test_the_client_counts_whole_answers_and_reads_cpu_time_beside_them(upstream: ScriptedUpstream):
    load = answers(upstream, "ok", connections=3)

    result = run_load(load, NOWHERE)

    assert result.failed == 0
    assert result.answered == [upstream.ledger.totals.completed]
    assert 0 < result.units <= result.answered[0]
    assert result.seconds == pytest.approx(load.seconds, abs=0.15)
    assert result.p50[0] <= result.p99[0]


@pytest.mark.parametrize("scenario", ["status:code=500", "wrong_length", "hangup"])
def test_an_answer_that_is_refused_or_broken_counts_as_failed(upstream: ScriptedUpstream, scenario: str):
    result = run_load(answers(upstream, scenario, connections=2), NOWHERE)

    assert (result.answered, result.failed) == ([0], 2)


@pytest.mark.parametrize(
    ("scenario", "whole"),
    [
        ("slow:first=0.01,chunk=0.01,chunks=20", 3),
        ("slow:first=0.01,chunk=0.01,chunks=19", 0),
        ("cut:after=20", 0),
    ],
)
def test_a_stream_counts_only_when_all_of_it_arrived(upstream: ScriptedUpstream, scenario: str, whole: int):
    request = chat_request(upstream.port, scenario, stream=True)
    load = Load("streams", [(upstream.port, request)], 0.05, 0.2, os.getpid(), connections=3, events=22)

    result = run_load(load, NOWHERE)

    assert (result.answered, result.failed) == ([whole], 3 - whole)


def test_a_load_on_a_port_where_nobody_listens_is_one_sentence():
    with pytest.raises(CannotMeasure, match="client of the answers failed: ConnectionRefusedError"):
        run_load(Load("answers", [(1, "GET / HTTP/1.1\r\n\r\n")], 0.0, 0.1, os.getpid()), NOWHERE)


def test_an_answer_is_whole_when_its_length_says_so():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"

    assert whole_length(head[:-1]) == 0
    assert whole_length(head + b"he") == len(head) + 5
    with pytest.raises(ValueError, match="without a length"):
        whole_length(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")


def test_cpu_time_and_memory_are_those_of_the_process_asked_about():
    before = cpu_seconds(os.getpid())
    until = time.process_time() + 0.1
    while time.process_time() < until:
        pass

    assert 0.05 < cpu_seconds(os.getpid()) - before < 5
    assert 5 < resident_mb(os.getpid()) <= peak_mb(os.getpid())


def test_children_are_the_processes_that_were_started_and_run():
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"])
    try:
        assert sleeper.pid in children(os.getpid())
    finally:
        sleeper.kill()
        sleeper.wait()
    assert sleeper.pid not in children(os.getpid())


def test_percentiles_are_values_that_were_measured():
    values = [float(number) for number in range(100, 0, -1)]

    assert (percentile(values, 0.5), percentile(values, 0.99), percentile([3.0], 0.99)) == (51.0, 100.0, 3.0)
    assert percentile([], 0.5) == 0.0


def test_the_worker_has_a_core_that_nothing_else_is_pinned_to():
    cores = share_out()

    assert not cores.worker & cores.others
    assert bool(cores.worker) == bool(cores.others) == (len(os.sched_getaffinity(0)) > 1)


def test_the_budgets_in_the_documentation_are_those_the_report_compares_with():
    page = (Path(__file__).resolve().parent.parent.parent / "docs" / "benchmarks.md").read_text(
        encoding="utf-8"
    )

    for written in (
        f"≤ {JSON_BUDGET:g} µs, goal {JSON_GOAL:g}",
        f"≤ {CHUNK_BUDGET:g} µs, goal {CHUNK_GOAL:g}",
        f"≤ {P50_BUDGET:g} ms",
        f"≤ {P99_BUDGET:g} ms",
        f"≤ {MEMORY_BUDGET:g} MB",
        f"≤ {PLAN_BUDGET:g} µs",
    ):
        assert written in page


def answers(upstream: ScriptedUpstream, scenario: str, connections: int) -> Load:
    """A short load straight at the upstream, watching this process."""
    request = chat_request(upstream.port, scenario)
    return Load("answers", [(upstream.port, request)], 0.1, 0.2, os.getpid(), connections)
