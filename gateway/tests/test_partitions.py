"""One table a day: made ahead, filled from DEFAULT where that was late, dropped whole when it expires."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command

from gateway.log_rows import COLUMNS, LogEntry
from gateway.log_writer import LogWriter
from gateway.models import RequestLog
from gateway.partitions import DEFAULT, Changes, drop_expired, ensure_partitions, maintain, partitions
from gateway.record import Recorder
from gateway.tests.log_database import connect, fetch, open_pool
from gateway.uuid7 import IdMaker, id_floor

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)
FRIDAY = date(2020, 1, 10)  # far from the days that the migration prepared
NEW_YEAR = date(2021, 1, 1)


@pytest.fixture(autouse=True)
async def no_old_partitions() -> AsyncIterator[None]:
    yield
    async with connect() as opened:
        await drop_expired(opened, NEW_YEAR, 0)


def at_noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


async def write_row_of(day: date) -> None:
    entry = LogEntry(IdMaker(at_noon(day).timestamp).new_id(), at_noon(day))
    async with open_pool() as pool:
        await LogWriter(pool).insert([entry.to_row()])


async def old_days() -> list[date]:
    async with connect() as opened:
        return [partition.day for partition in await partitions(opened) if partition.day < NEW_YEAR]


async def table_of_rows() -> list[str]:
    rows = await fetch("SELECT tableoid::regclass::text FROM gateway_requestlog ORDER BY id")
    return [name for (name,) in rows]


async def test_today_and_the_coming_days_get_a_partition_once() -> None:
    async with connect() as opened:
        assert await ensure_partitions(opened, FRIDAY, ahead=2) == (FRIDAY, FRIDAY + DAY, FRIDAY + 2 * DAY)
        assert await ensure_partitions(opened, FRIDAY, ahead=2) == ()
        assert await ensure_partitions(opened, FRIDAY + DAY, ahead=2) == (FRIDAY + 3 * DAY,)


async def test_a_row_goes_to_the_partition_of_its_day_with_every_index() -> None:
    async with connect() as opened:
        await ensure_partitions(opened, FRIDAY, ahead=0)
    await write_row_of(FRIDAY)

    assert await table_of_rows() == ["gateway_requestlog_20200110"]
    assert await indexes_of("gateway_requestlog_20200110") == await indexes_of(DEFAULT)


async def indexes_of(table: str) -> set[str]:
    rows = await fetch("SELECT indexdef FROM pg_indexes WHERE tablename = %s", table)
    return {definition.split(" USING ")[1] for (definition,) in rows}


async def test_rows_that_came_before_their_partition_move_into_it() -> None:
    await write_row_of(FRIDAY)
    await write_row_of(FRIDAY + 5 * DAY)
    assert await table_of_rows() == [DEFAULT, DEFAULT]

    async with connect() as opened:
        made = await ensure_partitions(opened, FRIDAY + 5 * DAY, ahead=0)

    assert made == (FRIDAY, FRIDAY + 5 * DAY)
    assert await table_of_rows() == ["gateway_requestlog_20200110", "gateway_requestlog_20200115"]


async def test_expired_days_are_dropped_whole_and_younger_ones_stay() -> None:
    await write_row_of(FRIDAY)
    await write_row_of(FRIDAY + DAY)
    async with connect() as opened:
        await ensure_partitions(opened, FRIDAY, ahead=1)
        assert await drop_expired(opened, FRIDAY + 31 * DAY, keep_days=30) == (FRIDAY,)
        assert await drop_expired(opened, FRIDAY + 31 * DAY, keep_days=30) == ()

    assert await table_of_rows() == ["gateway_requestlog_20200111"]
    assert await old_days() == [FRIDAY + DAY]


@pytest.mark.fault("I27")
async def test_a_day_of_many_rows_goes_as_a_file_and_not_row_by_row() -> None:
    async with connect() as opened:
        await ensure_partitions(opened, FRIDAY, ahead=0)
        await opened.execute(
            "INSERT INTO gateway_requestlog_20200110 (id, started_at, state)"
            " SELECT (left(%s::text, 24) || lpad(to_hex(n), 12, '0'))::uuid, now(), 'ok'"
            " FROM generate_series(1, 100000) AS n",
            (str(id_floor(at_noon(FRIDAY))),),
        )
        before = await fetch("SELECT pg_current_wal_insert_lsn() - '0/0', count(*) FROM gateway_requestlog")
        assert await drop_expired(opened, FRIDAY + 31 * DAY, keep_days=30) == (FRIDAY,)
        after = await fetch("SELECT pg_current_wal_insert_lsn() - '0/0', count(*) FROM gateway_requestlog")

    assert (before[0][1], after[0][1]) == (100_000, 0)
    assert after[0][0] - before[0][0] < 2_000_000  # bytes; a DELETE would write 5 MB at least


async def test_an_interrupted_removal_is_finished_by_the_next_run() -> None:
    async with connect() as opened:
        await ensure_partitions(opened, FRIDAY, ahead=0)
        await opened.execute("ALTER TABLE gateway_requestlog DETACH PARTITION gateway_requestlog_20200110")
        assert await drop_expired(opened, NEW_YEAR, keep_days=30) == (FRIDAY,)

    assert await old_days() == []


async def test_two_workers_at_once_do_the_work_once() -> None:
    async with open_pool() as one, open_pool() as other:
        results = await asyncio.gather(
            *(maintain(pool, today=FRIDAY, keep_days=10_000, ahead=5) for pool in (one, other, one, other))
        )

    made = [day for changes in results for day in changes.created]
    assert sorted(made) == [FRIDAY + DAY * n for n in range(6)]


@pytest.mark.fault("I27")
async def test_a_busy_table_is_left_alone_at_once() -> None:
    async with open_pool() as pool, connect() as reader, reader.transaction():
        await reader.execute("SELECT count(*) FROM gateway_requestlog")
        started = asyncio.get_running_loop().time()

        assert await maintain(pool, today=FRIDAY, keep_days=30) == Changes(busy=True)
        assert asyncio.get_running_loop().time() - started < 1

    assert await old_days() == []


async def test_maintenance_makes_and_drops_in_one_go() -> None:
    async with open_pool() as pool:
        await maintain(pool, today=FRIDAY, keep_days=30, ahead=0)
        changes = await maintain(pool, today=FRIDAY + 40 * DAY, keep_days=30, ahead=0)

    assert changes == Changes(created=(FRIDAY + 40 * DAY,), dropped=(FRIDAY,))


async def test_a_row_whose_partition_is_made_while_it_is_written_is_not_refused() -> None:
    async with open_pool() as pool, connect() as other:
        recorder = Recorder(pool, worker="test", interval=0.01)
        running = asyncio.create_task(recorder.run())
        async with other.transaction():
            await ensure_partitions(other, FRIDAY, ahead=0)
            recorder.close(recorder.open(id=IdMaker(at_noon(FRIDAY).timestamp).new_id()))
            while not await fetch("SELECT 1 FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
        await recorder.stop()
        await running

    assert (recorder.written, recorder.set_aside) == (1, 0)
    assert await table_of_rows() == ["gateway_requestlog_20200110"]


def test_the_command_says_what_it_did(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("partitions", ahead=4)
    first = capsys.readouterr().out
    call_command("partitions", ahead=4)

    assert first.startswith("Made: ")
    assert capsys.readouterr().out == "Made: nothing. Dropped: nothing.\n"


@pytest.mark.parametrize("options", [{"keep_days": 0}, {"ahead": -1}])
def test_the_command_refuses_numbers_that_make_no_sense(options: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match="at least 1"):
        call_command("partitions", **options)


async def test_the_columns_of_the_table_are_those_of_the_model() -> None:
    rows = await fetch(
        "SELECT column_name, is_nullable = 'YES' FROM information_schema.columns"
        " WHERE table_name = 'gateway_requestlog'"
    )
    fields = [(field.column, field.null) for field in RequestLog._meta.concrete_fields]

    assert sorted(rows) == sorted(fields)
    assert sorted(name for name, _ in rows) == sorted(COLUMNS)


async def test_a_failed_run_leaves_nothing_behind() -> None:
    async with connect() as opened:
        await opened.execute("CREATE TABLE gateway_requestlog_20200111 (LIKE gateway_worker)")
        try:
            with pytest.raises(psycopg.Error):
                async with opened.transaction():
                    await ensure_partitions(opened, FRIDAY, ahead=0)
                    raise psycopg.OperationalError("cut")
        finally:
            await opened.execute("DROP TABLE gateway_requestlog_20200111")

    assert await old_days() == []
