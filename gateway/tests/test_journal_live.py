"""A real worker and its journal: a locked table, a journal that is full, and a worker that is killed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from gateway.tests.live import PROJECT, LiveGateway, live_gateway
from gateway.tests.test_key_limits import MORE

CHAT = "/v1/chat/completions"
LOCK = "LOCK TABLE gateway_requestlog IN ACCESS EXCLUSIVE MODE"
NANO = 1_000_000_000
SHAPES = (False, True)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """A worker whose journal may take one megabyte."""
    state = tmp_path_factory.mktemp("journal")
    with live_gateway("uvicorn", state, more=MORE, RAINYMODEL_JOURNAL_MB="1") as running:
        yield running


def worker_other_than(gateway: LiveGateway, gone: int) -> int:
    """The process that serves, once there is one that is not the one gone."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with psycopg.connect(gateway.dsn) as connection:
            found = connection.execute(
                "SELECT pid FROM gateway_worker WHERE ready AND pid <> %s", (gone,)
            ).fetchone()
        if found is not None:
            return int(found[0])
        time.sleep(0.1)
    raise AssertionError("no other worker came")


def reconciled(gateway: LiveGateway) -> dict[str, Any]:
    """What `manage.py reconcile` finds, once nothing is in flight or left behind any more."""
    until = time.monotonic() + 30
    while True:
        done = subprocess.run(
            [sys.executable, "manage.py", "reconcile", "--json"],
            cwd=PROJECT, env=gateway.variables, capture_output=True, text=True, check=False,
        )  # fmt: skip
        told: dict[str, Any] = json.loads(done.stdout)
        if (told["settled"] and not told["in_flight"]) or time.monotonic() > until:
            assert done.returncode == (0 if told["settled"] else 1), done.stderr
            return told


def body(model: str, **fields: object) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": "hi there"}], **fields}


async def ask_often(gateway: LiveGateway, key: str, model: str, count: int, **fields: object) -> Counter[int]:
    """The statuses of so many requests, ten clients at once."""
    statuses, left = Counter[int](), iter(range(count))

    async def client() -> None:
        headers = gateway.headers(key, **{"user-agent": "a" * 200})
        async with httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=30) as session:
            for _ in left:
                statuses[(await session.post(CHAT, json=body(model, **fields))).status_code] += 1

    await asyncio.gather(*(client() for _ in range(10)))
    return statuses


def problems(gateway: LiveGateway) -> list[str]:
    """What the worker says of itself."""
    told: dict[str, Any] = httpx.get(f"{gateway.url}/ready").json()
    return told.get("degraded", [])


@pytest.mark.fault("I05")
def test_a_locked_table_fails_no_request_and_its_rows_come_afterwards(gateway: LiveGateway) -> None:
    with psycopg.connect(gateway.dsn) as connection:
        connection.execute(LOCK)
        answers = [
            asyncio.run(ask_often(gateway, "plain", "fake/ok?locked", 40, stream=sse)) for sse in SHAPES
        ]
        connection.execute("SELECT pg_sleep(2.5)")  # longer than a writer waits for the lock
        assert answers == [{200: 40}, {200: 40}]

    assert len(gateway.rows_where("requested_model = %s", "fake/ok?locked", count=80, timeout=20)) == 80


@pytest.mark.fault("I15")
def test_a_full_journal_is_shown_and_budgeted_keys_wait_until_there_is_room(gateway: LiveGateway) -> None:
    asked = 0
    with psycopg.connect(gateway.dsn) as connection:
        connection.execute(LOCK)
        while "journal_full" not in problems(gateway) and asked < 3_000:
            assert asyncio.run(ask_often(gateway, "plain", "fake/ok?many", 150)) == {200: 150}
            asked += 150
        refused = [
            httpx.post(
                gateway.url + CHAT, json=body("fake/ok?x", stream=sse), headers=gateway.headers("dollar")
            )
            for sse in SHAPES
            for _ in range(5)
        ]

    assert [answer.status_code for answer in refused] == [503] * 10
    assert {answer.json()["error"]["code"] for answer in refused} == {"limits_unavailable"}
    assert len(gateway.rows_where("requested_model = %s", "fake/ok?many", count=asked, timeout=20)) == asked
    assert asyncio.run(ask_often(gateway, "dollar", "fake/ok?budget", 10)) == {200: 10}
    assert "journal_full" not in problems(gateway)


def start_stream(gateway: LiveGateway, session: httpx.Client, key: str, model: str) -> httpx.Response:
    """A streamed request that has begun to answer."""
    asked, headers = body(model, stream=True, max_tokens=50), gateway.headers(key)
    request = session.build_request("POST", gateway.url + CHAT, json=asked, headers=headers)
    return session.send(request, stream=True)


@pytest.mark.fault("I09", "I10")
def test_every_request_of_a_worker_killed_with_unwritten_rows_has_one_row(gateway: LiveGateway) -> None:
    worker = worker_other_than(gateway, 0)
    with psycopg.connect(gateway.dsn) as connection, httpx.Client(timeout=30) as session:
        connection.execute(LOCK)
        done = asyncio.run(ask_often(gateway, "plain", "fake/ok?killed", 50))
        slow = "dear/slow:first=0,chunk=0.3,chunks=300"
        answers = [start_stream(gateway, session, "dollar", slow) for _ in range(6)]
        streams = {answer.headers["x-request-id"] for answer in answers}
        os.kill(worker, signal.SIGKILL)
    worker_other_than(gateway, worker)
    lost = gateway.rows_where("state = 'lost'", count=len(streams), timeout=30)

    assert done == {200: 50}
    assert len(gateway.rows_where("requested_model = %s", "fake/ok?killed", count=50, timeout=30)) == 50
    assert {str(row["id"]) for row in lost} == streams
    assert all(row["error_code"] == "lost" and row["estimated"] and row["cost_usd"] > 0 for row in lost)
    assert booked(gateway, "dollar") == sum(int(row["cost_usd"] * NANO) for row in lost)
    told = reconciled(gateway)
    assert (told["settled"], told["lost"], told["missing"]) == (True, len(streams), 0)
    assert told["admitted"] == gateway.count("true")
    left = {path.name for path in (Path(gateway.variables["RAINYMODEL_STATE_DIR"]) / "journal").iterdir()}
    assert len(left) == 1


def booked(gateway: LiveGateway, label: str) -> int:
    """What a key has used of its day's money, in billionths of a dollar."""
    with psycopg.connect(gateway.dsn) as connection:
        found = connection.execute(
            "SELECT coalesce(sum(amount), 0) FROM accounts_use u JOIN accounts_apikey k"
            " ON u.name = 'key:' || k.id || ':day' WHERE k.label = %s",
            (label,),
        ).fetchone()
    return int(found[0]) if found else 0
