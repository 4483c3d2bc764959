"""The long runs in short: what they count can be trusted, and a figure that does not hold is said to fail."""

import asyncio
import json
from pathlib import Path

import pytest

from bench.reliability import chaos
from bench.reliability.__main__ import SHORT, try_chaos, try_publishing, try_rolling, try_soak
from bench.reliability.asking import Client, read_json, read_stream
from bench.reliability.figures import Figure, keep
from bench.reliability.ground import ground
from bench.reliability.matrix import Row, marked, matrix
from bench.reliability.report import page
from bench.reliability.soak import Sample, slope
from bench.reliability.trials import TRIALS, drip, large_body

TIMED = (drip, large_body)  # what they find depends on how busy the machine is


def test_every_trial_of_failing_upstreams_holds():
    steady = [trial for trial in TRIALS if trial not in TIMED]

    async def run() -> list[Figure]:
        async with Client(here.url, here.headers) as client:
            return [await trial(here, client, SHORT["trials"]) for trial in steady]

    with ground() as here:
        figures = asyncio.run(run())

    assert [figure for figure in figures if not figure.holds] == []


@pytest.mark.fault("I22")
def test_nobody_notices_that_workers_are_replaced():
    (figure,) = try_rolling(SHORT["rolling"])

    assert figure.holds, figure


def test_nobody_notices_that_catalogues_are_published():
    (figure,) = try_publishing(SHORT["publishing"])

    assert figure.found.startswith("0 failed")
    assert "never" not in figure.found  # how soon depends on how busy the machine is


@pytest.mark.fault("I09", "I03")
def test_no_row_is_lost_while_workers_are_killed_and_postgres_is_frozen():
    (figure,) = try_chaos(SHORT["chaos"])

    assert figure.holds, figure
    assert " 0 × SIGKILL" not in f" {figure.run}"


def test_nothing_is_left_open_after_a_mixed_load():
    (figure,) = try_soak(SHORT["soak"])

    assert figure.holds, figure


def test_a_request_whose_row_is_missing_or_doubled_is_counted():
    with ground(workers=1) as here:

        async def run() -> tuple[int, int]:
            async with Client(here.url, here.headers) as client:
                answers = {
                    name: await client.ask("trial/steady", request_id=name) for name in ("a", "b", "b")
                }
                here.wait_for_rows("client_request_id IN ('a', 'b')", 3)
                answers["never-asked"] = answers["a"]
                return await chaos.count_rows(here, answers, 0.0)

        assert asyncio.run(run()) == (1, 1)


def test_growing_memory_is_a_slope_and_steady_memory_is_none():
    growing = [Sample(n * 10_000, 100 + n * 0.5) for n in range(20)]

    assert slope(growing) == pytest.approx(5.0)
    assert slope([Sample(n * 10_000, 100.0) for n in range(20)]) == 0.0
    assert slope(growing[:1]) == 0.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"choices": [{"finish_reason": "stop"}]}', (True, "")),
        ('{"choices": []}', (False, "")),
        ('{"error": {"code": "timeout"}}', (False, "timeout")),
        ("<html>", (False, "no JSON")),
    ],
    ids=["whole", "empty", "error", "web page"],
)
def test_only_a_whole_answer_counts_as_good(text: str, expected: tuple[bool, str]):
    assert read_json(text) == expected


def test_a_stream_is_whole_with_its_finish_reason_and_its_end():
    finish = 'data: {"choices": [{"finish_reason": "stop"}]}\n\n'

    assert read_stream(f"{finish}data: [DONE]\n\n") == (True, "")
    assert read_stream(finish) == (False, "")
    assert read_stream("data: [DONE]\n\n") == (False, "")
    assert read_stream('data: {"error": {"code": "draining"}}\n\n') == (False, "draining")


def test_figures_of_a_later_run_take_the_place_of_earlier_ones(tmp_path: Path):
    kept = tmp_path / "kept.json"
    keep([Figure("a", "A", "≤ 1", "2", False), Figure("b", "B", "≤ 1", "1", True)], kept)

    assert [figure.found for figure in keep([Figure("a", "A", "≤ 1", "1", True)], kept)] == ["1", "1"]
    assert len(json.loads(kept.read_text())) == 2


def test_the_page_says_what_does_not_hold_and_what_nobody_plays():
    rows = [
        Row("U01", "refused", "next", "", ("a/test_b.py::test_c",)),
        Row("U02", "no name", "next", "no resolver"),
    ]
    said = page([Figure("a", "broken | streams", "5 of 5", "4 of 5", False)], rows, "here")

    assert "| broken \\| streams | 5 of 5 | 4 of 5 | **no** |" in said
    assert "| U01 | refused | next | test_b.py test_c |" in said
    assert "| U02 | no name | next | no resolver |" in said
    assert "| matrix rows automated | ≥ 130 | 1 of 2 | **no** | missing: U02 |" in said


def test_every_row_of_the_matrix_is_played_or_says_why_not():
    rows = matrix()

    assert [row.row for row in rows if not row.tests and not row.not_automated] == []
    assert sum(bool(row.tests) for row in rows) >= 130


def test_no_test_plays_a_row_that_does_not_exist():
    assert marked().keys() <= {row.row for row in matrix()}
