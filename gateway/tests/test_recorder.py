"""Nothing is lost: every entry becomes one row, off the request's path, whatever happens to the database."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from gateway.journal.journal import Journal
from gateway.log_rows import COLUMNS
from gateway.log_writer import LogWriter
from gateway.record import LONGEST_PAUSE, LogEntry, Recorder, backed_off
from gateway.tests.dead_worker import MEGABYTE, segments
from gateway.tests.log_database import Gate, connect, fetch, open_pool, until
from gateway.usage import Usage, price_usage
from gateway.uuid7 import IdMaker
from routing.engine.snapshot import Price

pytestmark = pytest.mark.django_db(transaction=True)
KEY = "0b2a0a7e-0000-4000-8000-000000000000"
PRICE = Price(0.0, Decimal("0.15"), None, Decimal("0.6"))


@pytest.fixture(autouse=True)
async def no_counts() -> None:
    """No model stands for the counts, so that nobody else empties them between tests."""
    async with connect() as opened:
        await opened.execute("DELETE FROM gateway_admission")


@asynccontextmanager
async def recording(info: str | None = None, **options: Any) -> AsyncIterator[Recorder]:
    """A recorder whose loop runs."""
    async with open_pool(info) as pool:
        recorder = Recorder(pool, worker="test", **{"interval": 0.01, **options})
        loop = asyncio.create_task(recorder.run())
        try:
            yield recorder
        finally:
            loop.cancel()
            await asyncio.gather(loop, return_exceptions=True)


def record(recorder: Recorder, **known: Any) -> LogEntry:
    entry = recorder.open(**known)
    entry.state, entry.status = "ok", 200
    recorder.close(entry)
    return entry


def adds_up(recorder: Recorder) -> bool:
    ends = recorder.written + recorder.set_aside + recorder.dropped + recorder.waiting
    return recorder.opened == recorder.closed + recorder.discarded and recorder.closed == ends


async def counted() -> tuple[int, int, int]:
    """Admitted, discarded and pending requests, as the database was told."""
    [row] = await fetch("SELECT sum(admitted), sum(discarded), sum(pending) FROM gateway_admission")
    admitted, discarded, pending = map(int, row)
    return admitted, discarded, pending


async def logged(columns: str = "id") -> list[Any]:
    return await fetch(f"SELECT {columns} FROM gateway_requestlog ORDER BY id")


async def test_every_column_of_an_entry_arrives_as_it_was() -> None:
    async with recording() as recorder:
        usage = Usage(100, 12, 300, 40, raw={"prompt_tokens": 112, "é": [1.5, None]})
        entry = recorder.open(endpoint="/v1/chat/completions", key_id=KEY, user_agent="curl/8 ☂ 雨")
        entry.needs, entry.stream, entry.max_tokens = ["tools", "vision"], True, 5_000_000_000
        entry.attempts = [{"upstream": "hf", "word": "timeout", "total_ms": 60_000.1}]
        entry.use(usage)
        entry.use_price(PRICE, price_usage(PRICE, usage))
        entry.total_ms, entry.parameter_edits, entry.reservation = (
            61.5,
            {"max_tokens": "renamed"},
            {"output": 5},
        )
        entry.state, entry.status = "ok", 200
        recorder.close(entry)
        await recorder.stop()

    rows = await logged(", ".join(COLUMNS))
    stored = dict(zip(COLUMNS, rows[0], strict=True))
    changed = {"id": UUID(entry.id), "key_id": UUID(KEY)}
    assert stored == {name: getattr(entry, name) for name in COLUMNS} | changed
    assert stored["cost_usd"] == Decimal("0.000196800")


async def test_thousands_of_entries_are_thousands_of_rows() -> None:
    async with recording() as recorder:
        ids = [record(recorder).id for _ in range(3_210)]
        assert await recorder.stop() == 0
        assert adds_up(recorder)

    assert [str(row[0]) for row in await logged()] == ids


async def test_a_second_close_is_ignored_and_counted() -> None:
    async with recording() as recorder:
        entry = record(recorder)
        entry.status = 500
        assert recorder.close(entry) == b""
        recorder.discard(entry)
        await recorder.stop()
        assert (recorder.closed, recorder.closed_again, recorder.discarded) == (1, 2, 0)

    assert await logged("status") == [(200,)]


async def test_a_discarded_entry_leaves_no_row() -> None:
    async with recording() as recorder:
        recorder.discard(recorder.open())
        await recorder.stop()
        assert adds_up(recorder)

    assert await logged() == []


@pytest.mark.fault("I29")
async def test_a_row_written_twice_is_there_once() -> None:
    async with open_pool() as pool:
        lines = [Recorder(pool, worker="test").open().to_row() for _ in range(3)]
        await LogWriter(pool).insert(lines)
        await LogWriter(pool).insert(lines)

    assert len(await logged()) == 3


@pytest.mark.fault("I26")
@pytest.mark.parametrize("journalled", [False, True], ids=["in-memory", "journalled"])
async def test_one_bad_row_in_five_hundred_is_set_aside_with_its_reason(
    tmp_path: Path, journalled: bool
) -> None:
    journal = Journal(tmp_path, "test", 16 * MEGABYTE) if journalled else None
    async with recording(batch=500, journal=journal) as recorder:
        for number in range(500):
            record(recorder, attempt_count=10**6 if number == 137 else 1)
        await recorder.stop()
        assert (recorder.written, recorder.set_aside, recorder.waiting) == (499, 1, 0)
        assert adds_up(recorder)

    assert len(await logged()) == 499
    [(bad, row, reason)] = await fetch("SELECT id, row, reason FROM gateway_deadletter")
    assert str(bad) in row
    assert "smallint" in reason
    assert await counted() == (500, 0, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("I26")
@pytest.mark.parametrize(
    "poison",
    [{"user_agent": "a\x00b"}, {"end_user": "x" * 300_000_000}, {"state": "no such state"}],
    ids=["nul", "300-mb", "unknown-state"],
)
async def test_a_poisonous_text_costs_no_row_of_its_batch(tmp_path: Path, poison: dict[str, str]) -> None:
    async with recording(batch=500, journal=Journal(tmp_path, "test", 16 * MEGABYTE)) as recorder:
        for number in range(500):
            entry = recorder.open()
            for name, value in poison.items() if number == 137 else ():
                setattr(entry, name, value)
            recorder.close(entry)
        await recorder.stop()
        assert (recorder.written, recorder.set_aside, recorder.waiting) == (500, 0, 0)

    assert await fetch("SELECT count(*), max(length(end_user)) <= 200 FROM gateway_requestlog") == [
        (500, True)
    ]


async def test_a_whole_batch_of_bad_rows_is_set_aside_row_by_row() -> None:
    async with recording() as recorder:
        for _ in range(20):
            record(recorder, attempt_count=10**6)
        good = record(recorder)
        await recorder.stop()

    assert [str(row[0]) for row in await logged()] == [good.id]
    assert await fetch("SELECT count(*) FROM gateway_deadletter") == [(20,)]


async def test_hostile_texts_are_stored_harmless() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"a": deep}
    async with recording() as recorder:
        record(recorder, user_agent="a\x00b", requested_model="x" * 10_000, end_user="\ud800!")
        record(recorder, usage_raw={"k\x00": "\x00", "n": 10**30}, key_id="environment")
        record(recorder, usage_raw={"big": "y" * 100_000}, attempts=[{"word": "z" * 100}] * 500)
        record(recorder, usage_raw=deep, parameter_edits={"a": "\\u0000"})
        await recorder.stop()
        assert recorder.set_aside == 0

    first, second, third, fourth = await logged(
        "user_agent, requested_model, end_user, usage_raw, key_id, attempts"
    )
    assert first[:3] == ("a\ufffdb", "x" * 200, "\ufffd\ufffd\ufffd!")
    assert second[3:5] == ({"k\ufffd": "\ufffd", "n": str(10**30)}, None)
    assert third[3] == {"left_out": "larger than 4096 bytes"}
    assert len(third[5]) == 100
    assert "…" in str(fourth[3])


async def test_rows_wait_while_the_database_is_away_and_arrive_when_it_is_back() -> None:
    async with Gate() as gate, recording(gate.conninfo) as recorder:
        first = record(recorder)
        await until(lambda: recorder.written == 1)
        await gate.shut()
        later = [record(recorder).id for _ in range(50)]
        await until(lambda: recorder.failing)
        assert (recorder.waiting, recorder.written) == (50, 1)
        await gate.open()
        await until(lambda: not recorder.waiting)
        assert adds_up(recorder)

    assert [str(row[0]) for row in await logged()] == [first.id, *later]


async def test_a_locked_table_slows_no_request_and_its_rows_arrive_afterwards() -> None:
    async with recording() as recorder, connect() as other:
        async with other.transaction():
            await other.execute("LOCK TABLE gateway_requestlog IN ACCESS EXCLUSIVE MODE")
            started = time.perf_counter()
            for _ in range(100):
                record(recorder)
            assert time.perf_counter() - started < 0.1
            await until(lambda: recorder.failing)
            assert 1.5 < time.perf_counter() - started < 5  # the lock is given up after two seconds
        await until(lambda: recorder.written == 100)


async def test_what_finds_the_queue_full_is_dropped_and_counted() -> None:
    async with open_pool() as pool:
        recorder = Recorder(pool, worker="test", capacity=3)
        ids = [record(recorder).id for _ in range(5)]
        assert (recorder.waiting, recorder.dropped) == (3, 2)
        await recorder.stop()
        assert adds_up(recorder)

    assert [str(row[0]) for row in await logged()] == ids[:3]


async def test_rows_beyond_the_memory_stay_in_the_journal_and_are_written_later(tmp_path: Path) -> None:
    async with open_pool() as pool:
        recorder = Recorder(pool, worker="test", capacity=3, journal=Journal(tmp_path, "test", 16 * MEGABYTE))
        ids = [record(recorder).id for _ in range(2_000)]
        assert (recorder.waiting, recorder.dropped) == (2_000, 0)
        assert await recorder.stop() == 0
        assert adds_up(recorder)

    assert [str(row[0]) for row in await logged()] == ids
    assert list(tmp_path.iterdir()) == []


@pytest.mark.fault("I15")
async def test_only_what_finds_memory_and_journal_full_is_dropped_and_counted(tmp_path: Path) -> None:
    async with (
        Gate() as gate,
        recording(gate.conninfo, capacity=3, journal=Journal(tmp_path, "a", MEGABYTE)) as recorder,
    ):
        await gate.shut()
        for _ in range(2_000):
            record(recorder)
        assert recorder.problem == "journal_full"
        assert recorder.dropped > 0
        assert recorder.waiting == 2_000 - recorder.dropped > 500
        assert adds_up(recorder)

        await gate.open()
        await until(lambda: not recorder.waiting and not recorder.problem)
        record(recorder)
        await until(lambda: recorder.written == 2_001 - recorder.dropped)
        await recorder.stop()

    assert len(await logged()) == recorder.written
    assert await counted() == (2_001, 0, 0)


async def test_the_counts_agree_with_the_rows_at_every_moment(tmp_path: Path) -> None:
    async with recording(journal=Journal(tmp_path, "a", 16 * MEGABYTE)) as recorder:
        running = [recorder.open() for _ in range(5)]
        for number in range(3_000):
            record(recorder)
            if number % 10 == 0:
                recorder.discard(recorder.open())
                await asyncio.sleep(0)
                [(rows, told)] = await fetch(
                    "SELECT (SELECT count(*) FROM gateway_requestlog),"
                    " (SELECT coalesce(sum(admitted - discarded - pending), 0) FROM gateway_admission)"
                )
                assert rows == told
        for entry in running:
            recorder.close(entry)
        assert await recorder.stop() == 0

    assert await counted() == (3_305, 300, 0)
    assert segments(tmp_path) == []


@pytest.mark.fault("I29")
async def test_a_batch_whose_transaction_is_cut_is_written_and_counted_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "a", MEGABYTE)
    async with Gate() as gate, connect() as other, recording(gate.conninfo, journal=journal) as recorder:
        async with (
            other.transaction()
        ):  # the rows are inserted, their counts wait: then the connection is cut
            await other.execute("LOCK TABLE gateway_admission IN ACCESS EXCLUSIVE MODE")
            for _ in range(20):
                record(recorder)
            while not await fetch("SELECT 1 FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
            await gate.shut()
            await until(lambda: recorder.failing)
        await gate.open()
        await until(lambda: recorder.written == 20)
        await recorder.stop()

    assert len(await logged()) == 20
    assert await counted() == (20, 0, 0)


@pytest.mark.fault("I14")
@pytest.mark.parametrize("step", [3600, -3600], ids=["forwards", "backwards"])
async def test_a_clock_that_jumps_an_hour_loses_and_doubles_no_row_and_no_count(
    tmp_path: Path, step: int
) -> None:
    time_of_day = [datetime(2026, 6, 30, 23, 59, 30, tzinfo=UTC)]
    ids = IdMaker(lambda: time_of_day[0].timestamp())
    async with recording(journal=Journal(tmp_path, "a", MEGABYTE), now=lambda: time_of_day[0]) as recorder:
        for jump in (0, step, -step, 1):
            time_of_day[0] += timedelta(seconds=jump)
            for _ in range(50):
                record(recorder, id=ids.new_id())
            await until(lambda: not recorder.waiting)
        await recorder.stop()

    assert len(await logged()) == 200
    assert await counted() == (200, 0, 0)
    assert await fetch("SELECT max(admitted) FROM gateway_admission") == [(150,)]


async def test_stopping_without_a_database_ends_in_time_and_says_how_many_rows_are_left() -> None:
    async with Gate() as gate, recording(gate.conninfo) as recorder:
        await gate.shut()
        for _ in range(7):
            record(recorder)
        started = time.perf_counter()
        assert await recorder.stop(within=0.5) == 7
        assert time.perf_counter() - started < 2
        assert adds_up(recorder)


async def test_rows_wait_for_a_table_that_lags_behind_and_a_stop_hurries_the_next_try() -> None:
    async with recording(interval=1.0) as recorder, connect() as other:
        await other.execute("ALTER TABLE gateway_requestlog RENAME needs TO need")
        try:
            record(recorder)
            await until(lambda: recorder.failing)  # the next try is two seconds away
            assert (recorder.waiting, recorder.set_aside) == (1, 0)
        finally:
            await other.execute("ALTER TABLE gateway_requestlog RENAME need TO needs")
        async with asyncio.timeout(1.0):
            assert await recorder.stop() == 0


def test_the_pause_between_tries_grows_to_five_seconds_and_stays_there() -> None:
    assert [backed_off(0.25, failures) for failures in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert backed_off(0.25, 100_000) == LONGEST_PAUSE
