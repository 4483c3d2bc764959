"""What dead workers left behind: rows are written, requests that never ended are `lost` and settled, each once."""

import asyncio
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from accounts.ledger.ledger import Ledger
from accounts.ledger.lost import holds_of
from accounts.ledger.rules import Rule, bucket_of, period_of
from gateway.journal.journal import SMALLEST
from gateway.journal.records import ADMITTED
from gateway.journal.segment import Segment
from gateway.log_writer import LogWriter
from gateway.record import Recorder
from gateway.sweeper import forget, sweep_once
from gateway.tests.dead_worker import WORKER, killed_worker
from gateway.tests.log_database import Gate, connect, fetch, open_pool
from gateway.uuid7 import new_id

pytestmark = pytest.mark.django_db(transaction=True)
MINUTE_OF = "to_timestamp(('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint / 60000 * 60)"
HOLDS = [
    ("key:lost:day", 20_000, 2_500_000),
    ("key:lost:month", 650, 2_500_000),
    ("key:lost:tokens", 7_000_000_000, 900),
]


@pytest.fixture(autouse=True)
async def no_books() -> None:
    """No model stands for these tables, so that nobody else empties them between tests."""
    async with connect() as opened:
        await opened.execute("DELETE FROM gateway_admission")
        await opened.execute("DELETE FROM accounts_use WHERE starts_with(name, 'key:lost:')")


def three_requests(recorder: Recorder) -> None:
    """One that ended, one that had reserved money, one that had not even sent its body."""
    ended = recorder.open(key_label="ended")
    ended.state, ended.status = "ok", 200
    recorder.close(ended)
    asked = recorder.open(key_label="asked", user_id="somebody")
    asked.requested_model, asked.reservation = "dear/model", {"tokens": 900, "nano_usd": 2_500_000}
    recorder.plan(asked, ["rain/dear", "sun/free"], HOLDS)
    recorder.open(key_label="begun")
    recorder.discard(recorder.open(key_label="broken off"))


async def sweep(root: Path, info: str | None = None) -> int:
    async with open_pool(info) as pool:
        return await sweep_once(root, pool)


async def rows() -> dict[str, Any]:
    found = await fetch(
        "SELECT key_label, state, status, error_code, estimated, cost_usd FROM gateway_requestlog"
    )
    return {label: tuple(rest) for label, *rest in found}


async def booked() -> list[tuple[str, int, int]]:
    return await fetch(
        "SELECT name, period, amount FROM accounts_use WHERE starts_with(name, 'key:lost:') ORDER BY name"
    )


async def counted() -> list[tuple[int, int, int]]:
    return await fetch(
        "SELECT sum(admitted)::int, sum(discarded)::int, sum(pending)::int FROM gateway_admission"
    )


LOST = ("lost", 0, "lost", True)
ALL = {"ended": ("ok", 200, "", False, None), "asked": (*LOST, Decimal("0.0025")), "begun": (*LOST, None)}
BOOKED = sorted((name, period, amount) for name, period, amount in HOLDS)


@pytest.mark.fault("I09")
async def test_every_request_of_a_killed_worker_has_a_row_and_its_reservation_is_used(tmp_path: Path) -> None:
    killed_worker(tmp_path, three_requests)

    assert await sweep(tmp_path) == 1
    assert await rows() == ALL
    assert await booked() == BOOKED
    assert await counted() == [(4, 1, 0)]
    assert await fetch("SELECT user_id, requested_model, reservation FROM gateway_requestlog WHERE cost_usd > 0") == [
        ("somebody", "dear/model", {"tokens": 900, "nano_usd": 2_500_000, "deployments": ["rain/dear", "sun/free"]})
    ]  # fmt: skip
    assert list(tmp_path.iterdir()) == []
    assert await sweep(tmp_path) == 0


async def test_workers_that_sweep_at_once_settle_once(tmp_path: Path) -> None:
    for number in range(3):
        killed_worker(tmp_path, three_requests, worker=f"worker-{number}")

    swept = await asyncio.gather(*(sweep(tmp_path) for _ in range(4)))

    assert sum(swept) == 3
    assert await fetch("SELECT count(*) FROM gateway_requestlog WHERE state = 'lost'") == [(6,)]
    assert [(name, amount) for name, _, amount in await booked()] == [(name, 3 * n) for name, _, n in BOOKED]
    assert await counted() == [(12, 3, 0)]


@pytest.mark.parametrize("table", ["gateway_requestlog", "accounts_use", "gateway_admission"])
async def test_a_sweep_that_is_cut_half_way_is_done_again_and_counts_once(tmp_path: Path, table: str) -> None:
    killed_worker(tmp_path, three_requests)
    async with Gate() as gate, connect() as other:
        async with other.transaction():
            await other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            sweeping = asyncio.create_task(sweep(tmp_path, gate.conninfo))
            while not await fetch("SELECT 1 FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
            await gate.shut()
            with pytest.raises(psycopg.OperationalError):
                await sweeping
        await gate.open()

    assert await sweep(tmp_path) == 1
    assert await rows() == ALL
    assert await booked() == BOOKED
    assert await counted() == [(4, 1, 0)]


@pytest.mark.fault("I29")
async def test_lost_rows_written_again_settle_nothing_again(tmp_path: Path) -> None:
    async with open_pool() as pool:
        recorder, writer = Recorder(pool, worker=WORKER), LogWriter(pool)
        entry = recorder.open()
        lost = [(entry.to_row(), HOLDS)]
        assert [await writer.insert_lost(lost) for _ in range(3)] == [1, 0, 0]

    assert await booked() == BOOKED


async def test_a_request_whose_row_was_written_or_set_aside_is_not_lost(tmp_path: Path) -> None:
    written, aside = new_id(), new_id()

    def act(recorder: Recorder) -> None:
        for id in (written, aside):
            recorder.plan(recorder.open(id=id), ["rain/dear"], HOLDS)

    killed_worker(tmp_path, act)
    async with open_pool() as pool:
        entry = Recorder(pool, worker=WORKER).open(id=written)
        entry.state = "ok"
        await LogWriter(pool).insert([entry.to_row()])
    async with connect() as opened:
        await opened.execute("INSERT INTO gateway_deadletter (id, row, reason) VALUES (%s, '', '')", (aside,))

    assert await sweep(tmp_path) == 1
    assert await fetch("SELECT id::text, state FROM gateway_requestlog") == [(written, "ok")]
    assert await booked() == []


@pytest.mark.fault("I26")
async def test_a_bad_row_of_a_dead_worker_is_set_aside_and_the_others_are_written(tmp_path: Path) -> None:
    def act(recorder: Recorder) -> None:
        for number in range(500):
            recorder.close(recorder.open(attempt_count=10**6 if number == 137 else 1))
        recorder.plan(recorder.open(client_address="x"), ["sun/ok"], HOLDS)

    killed_worker(tmp_path, act)

    assert await sweep(tmp_path) == 1
    assert await fetch("SELECT count(*) FROM gateway_requestlog") == [(500,)]
    assert await fetch("SELECT count(*) FROM gateway_deadletter") == [(1,)]
    assert await counted() == [(501, 0, 0)]


async def test_a_journal_that_nobody_can_read_keeps_nobody_from_the_others(tmp_path: Path) -> None:
    (tmp_path / "0-first").mkdir()
    segment = Segment(tmp_path / "0-first" / "0.segment", SMALLEST).begin(1)
    segment.append(ADMITTED, b'["of a version with other records"]')
    killed_worker(tmp_path, three_requests)

    assert await sweep(tmp_path) == 1
    assert await rows() == ALL
    assert [each.name for each in tmp_path.iterdir()] == ["0-first"]


async def test_money_and_tokens_that_are_set_aside_are_held_and_what_ends_with_the_worker_is_not() -> None:
    rules = [Rule("key:lost", kind, 1_000) for kind in ("requests", "running", "tokens", "day", "month")]
    async with open_pool() as pool:
        ledger = Ledger(pool, time.monotonic, time.time)
        running = asyncio.create_task(ledger.run())
        reservation = await ledger.reserve([(rule, number) for number, rule in enumerate(rules, start=1)])
        held, now = holds_of([reservation]), ledger.now()
        reservation.release()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await ledger.stop()
        over = holds_of([reservation])

    day, month = period_of("day", now), period_of("month", now)
    assert [(name, amount) for name, _, amount in held] == [
        (rule.name, n) for n, rule in enumerate(rules, 1) if n > 2
    ]
    assert [period for _, period, _ in held[1:]] == [day, month]
    assert 0 <= bucket_of(now) - held[0][1] <= 4
    assert over == []


async def test_what_a_dead_worker_still_had_under_way_does_not_change_its_last_counts(tmp_path: Path) -> None:
    killed_worker(tmp_path, three_requests)
    await sweep(tmp_path)
    async with open_pool() as pool:
        late = Recorder(pool, worker=WORKER)
        late.open()
        await late.stop()

    assert (await counted())[0][2] == 0


async def test_counts_older_than_the_log_are_forgotten() -> None:
    async with connect() as opened:
        for days in (29, 31):
            await opened.execute(
                "INSERT INTO gateway_admission (worker, minute) VALUES ('a', now() - make_interval(days => %s))",
                (days,),
            )
    async with open_pool() as pool:
        await forget(pool, 30)

    assert len(await fetch("SELECT FROM gateway_admission")) == 1


async def test_the_minute_of_a_count_is_that_of_the_ids(tmp_path: Path) -> None:
    killed_worker(tmp_path, three_requests)
    await sweep(tmp_path)

    minutes = await fetch(f"SELECT DISTINCT {MINUTE_OF} FROM gateway_requestlog")
    assert await fetch("SELECT DISTINCT minute FROM gateway_admission WHERE admitted > discarded") == minutes
    assert all(minute.astimezone(UTC) <= datetime.now(UTC) for (minute,) in minutes)
