"""`manage.py fake_upstream`: the laboratory by hand."""

import csv
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from gateway.tests.faulty_gateway import HELLO
from gateway.upstream.scripted.rows import ROWS
from gateway.upstream.scripted.scenarios import cast, scenario_names

PROJECT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "manage.py", "fake_upstream"]
# Nobody speaks to an upstream in these: it is not there, not found, not trusted, or not where it was.
NOT_CAUSED_BY_WHAT_IT_SAYS = {"U01", "U02", "U03", "U04", "U58"}


@contextmanager
def running() -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """The command's process, and what it said by the first word of each line."""
    process = subprocess.Popen(COMMAND, cwd=PROJECT, env=os.environ, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        try:
            yield process, {line.split()[0]: line for line in lines}
        finally:
            process.kill()


def test_it_says_where_it_is_plays_by_name_keeps_a_ledger_and_stops_at_ctrl_c():
    with running() as (process, said):
        base_url, ledger = said["Base"].split()[2], said["Ledger"].split()[1]
        refused = httpx.post(
            f"{base_url}/chat/completions", json={"model": "status:code=429,retry_after=7", "messages": HELLO}
        )
        seen = httpx.get(ledger).json()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read() if process.stdout else ""
        code = process.wait(10)

    assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
    assert seen["hits"] == {"status:code=429,retry_after=7": 1}
    assert "curl" in said["Try"]
    assert code == 0
    assert "Stopped after 1 requests" in rest
    assert "Traceback" not in rest


def test_the_list_names_every_scenario_and_every_row_that_an_upstream_causes():
    listed = subprocess.run([*COMMAND, "--list"], cwd=PROJECT, capture_output=True, text=True, check=True)
    rows, _, scenarios = listed.stdout.partition("All scenarios")
    with (PROJECT / "gateway" / "tests" / "faults.csv").open(encoding="utf-8") as lines:
        upstream_rows = {line["row"] for line in csv.DictReader(lines) if line["row"].startswith("U")}

    assert {
        line.split()[0] for line in rows.splitlines()[1:] if line
    } == upstream_rows - NOT_CAUSED_BY_WHAT_IT_SAYS
    names = [line.split(":")[0].split()[0] for line in scenarios.splitlines()[1:]]
    assert names == scenario_names()


def test_every_model_name_of_a_row_is_a_scenario():
    for models in ROWS.values():
        for model in models:
            assert cast(model).name == model.partition(":")[0]


def test_a_port_that_is_taken_is_one_sentence():
    with running() as (_, said):
        port = said["Base"].split()[2].rsplit(":", 1)[1].split("/")[0]
        refused = subprocess.run(
            [*COMMAND, "--port", port], cwd=PROJECT, capture_output=True, text=True, check=False
        )

    assert refused.returncode == 1
    assert "Choose another --port." in refused.stderr
    assert "Traceback" not in refused.stderr
