"""The limits of a key and of a provider on four workers of one gateway."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice

import httpx
import psycopg
import pytest

from gateway.tests.live import LiveGateway, live_gateway
from gateway.tests.test_key_limits import MORE

WORKERS, CLIENTS = 4, 64
PLACES, CROWD = 3, 24  # of the provider `narrow`, and who wants one at once


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """Four worker processes."""
    state = tmp_path_factory.mktemp("workers")
    with live_gateway("uvicorn", state, more=MORE, WEB_WORKERS=str(WORKERS)) as running:
        until = time.monotonic() + 20
        while running.registered_workers() < WORKERS and time.monotonic() < until:
            time.sleep(0.1)
        yield running


async def statuses(gateway: LiveGateway, key: str, model: str, each: int, **fields: object) -> Counter[int]:
    """What so many clients are answered that each ask so often, one after the other."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi there"}], **fields}
    url, counted = f"{gateway.url}/v1/chat/completions", Counter[int]()

    async def client() -> None:
        async with httpx.AsyncClient(headers=gateway.headers(key), timeout=60) as session:
            for _ in range(each):
                counted[(await session.post(url, json=body)).status_code] += 1

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return counted


def spent(gateway: LiveGateway, label: str) -> tuple[int, Decimal, int]:
    """How many rows a key has, what they cost together, and on how many workers they ran."""
    return one_row(
        gateway,
        "SELECT count(*), coalesce(sum(cost_usd), 0), count(DISTINCT worker) FROM gateway_requestlog"
        " WHERE key_label = %s",
        label,
    )


def booked(gateway: LiveGateway, label: str) -> int:
    """What the ledger has of a key's spending, in billionths of a US dollar."""
    (amount,) = one_row(
        gateway,
        "SELECT coalesce(sum(amount), 0) FROM accounts_use u"
        " JOIN accounts_apikey k ON u.name = 'key:' || k.id || ':day' WHERE k.label = %s",
        label,
    )
    return int(amount)


def one_row(gateway: LiveGateway, query: str, value: str) -> tuple:
    """The one row of a query about this value."""
    with psycopg.connect(gateway.dsn) as connection:
        (row,) = connection.execute(query, (value,)).fetchall()
    return row


@pytest.mark.fault("I17")
def test_a_dollar_is_never_overspent(gateway: LiveGateway):
    counted = asyncio.run(statuses(gateway, "dollar", "dear/ok", 8, max_tokens=8))
    until = time.monotonic() + 20
    while spent(gateway, "dollar")[0] < CLIENTS * 8 and time.monotonic() < until:
        time.sleep(0.1)
    rows, cost, workers = spent(gateway, "dollar")

    assert set(counted) == {200, 429}
    assert rows == CLIENTS * 8
    assert workers > 1  # the kernel decides which ones take the connections
    assert Decimal("0.9") < cost <= Decimal(1)
    while booked(gateway, "dollar") < cost * 1_000_000_000 and time.monotonic() < until:
        time.sleep(0.1)  # a worker reports every quarter of a second
    assert booked(gateway, "dollar") == cost * 1_000_000_000


def test_a_burst_of_requests_on_all_workers_holds_the_minutes_limit(gateway: LiveGateway):
    counted = asyncio.run(statuses(gateway, "six_hundred", "fake/ok", 20))

    assert set(counted) == {200, 429}
    assert 560 <= counted[200] <= 600


async def test_a_providers_places_are_shared_by_all_workers(gateway: LiveGateway):
    sun = gateway.upstreams["sun"]
    sun.play("crowded", "silence")
    crowd = [asyncio.ensure_future(ask(gateway, "few/crowded")) for _ in range(CROWD)]
    passed_on = [await done for done in islice(asyncio.as_completed(crowd), CROWD - PLACES)]
    row = gateway.row(passed_on[0].headers["x-request-id"])
    until = time.monotonic() + 20
    while sun.ledger.hits("crowded") < PLACES:  # where Postgres took too long, a worker had its share alone
        assert time.monotonic() < until
        crowd.append(asyncio.ensure_future(ask(gateway, "few/crowded")))
        await asyncio.sleep(0.5)
    running = await told_running(gateway, "narrow", PLACES)

    assert {answer.status_code for answer in passed_on} == {200}
    assert {answer.headers["x-rainymodel-upstream"] for answer in passed_on} == {"rain"}
    assert {answer.headers["x-rainymodel-fallback-reason"] for answer in passed_on} == {"busy"}
    assert [(line["provider"], line["word"], line.get("skipped")) for line in row["attempts"]] == [
        ("narrow", "busy", True), ("rain", "", None),
    ]  # fmt: skip
    assert row["attempt_count"] == 1
    assert sun.ledger.hits("crowded") == PLACES
    assert running == PLACES

    for held in crowd:
        held.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    until = time.monotonic() + 20
    while (again := await ask(gateway, "few/ok")).headers["x-rainymodel-upstream"] != "sun":
        assert time.monotonic() < until
        await asyncio.sleep(0.05)
    assert again.status_code == 200
    assert await told_running(gateway, "narrow", 0) == 0


async def ask(gateway: LiveGateway, model: str) -> httpx.Response:
    """One request on a connection of its own."""
    body = {"model": model, "messages": [{"role": "user", "content": "hi there"}]}
    async with httpx.AsyncClient(headers=gateway.headers("master"), timeout=60) as session:
        return await session.post(f"{gateway.url}/v1/chat/completions", json=body)


async def told_running(gateway: LiveGateway, provider: str, expected: int) -> int:
    """How many requests the workers say are at a provider, once they say so many."""
    until = time.monotonic() + 10
    query = "SELECT coalesce(sum((running->>%s)::int), 0) FROM gateway_worker"
    while True:
        (told,) = one_row(gateway, query, provider)
        if told == expected or time.monotonic() > until:
            return told
        await asyncio.sleep(0.1)


def test_workers_that_were_taken_for_dead_go_on(gateway: LiveGateway):
    with psycopg.connect(gateway.dsn, autocommit=True) as connection:
        held = connection.execute("SELECT count(*) FROM accounts_lessee").fetchone()
        connection.execute("UPDATE accounts_lessee SET seen_at = now() - interval '31 seconds'")
        connection.execute("SELECT accounts_ledger_bury(NULL)")
    answers = asyncio.run(statuses(gateway, "plain", "dear-or-free/ok", 1))

    assert held == (WORKERS,)
    assert set(answers) == {200}
