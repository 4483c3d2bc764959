"""Roll-ups hold every log row once: repeated, late, lost and refused rows, and many writers at once."""

import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from asgiref.sync import async_to_sync

from gateway.log_writer import LogWriter, write_halving
from gateway.record import Recorder
from gateway.sweeper import sweep_once
from gateway.tests.dead_worker import killed_worker
from gateway.tests.log_database import connect, fetch, open_pool
from gateway.tests.traffic_rows import ago, attempt, in_django, no_traffic, row
from gateway.traffic.rebuild import differences, rebuild
from gateway.traffic.retention import forget

pytestmark = pytest.mark.django_db(transaction=True)
LEVELS = ("minute", "hour", "day", "key_hour", "key_day")


@pytest.fixture(autouse=True)
async def empty() -> None:
    await in_django(no_traffic)


async def write(lines: Sequence[bytes]) -> None:
    async with open_pool() as pool:
        await LogWriter(pool).insert(lines)


async def counted(measure: str = "requests") -> list[int]:
    """The sum of a measure in each table of LEVELS."""
    return [
        int((await fetch(f"SELECT coalesce(sum({measure}), 0) FROM gateway_traffic_{level}"))[0][0])
        for level in LEVELS
    ]


async def proven() -> bool:
    """Whether log and roll-ups agree on all days that the log holds."""
    found = await in_django(lambda: [each for _, each in differences(ago(days=400), datetime.now(UTC))])
    assert found
    return not any(found)


async def test_a_row_is_in_every_level_with_all_its_numbers() -> None:
    moment = datetime(2026, 11, 20, 13, 37, 21, tzinfo=UTC)
    used: dict[str, Any] = {
        "input_tokens": 100,
        "cached_tokens": 10,
        "output_tokens": 50,
        "reasoning_tokens": 20,
    }
    await write(
        [
            row(
                moment,
                stream=True,
                cost_usd=Decimal("0.000123456"),
                first_content_ms=250.5,
                overhead_ms=1.5,
                **used,
            )
        ]
    )

    for level in LEVELS:
        [found] = await fetch(
            "SELECT at, requests, streams, attempts, input_tokens, cached_tokens, output_tokens, reasoning_tokens,"
            " cost_nano, unpriced, timed, total_us, overhead_us, first_least, first_greatest, total_counts,"
            " first_counts"
            f" FROM gateway_traffic_{level}"
        )
        begin = {"minute": (13, 37), "hour": (13, 0), "day": (0, 0)}[level.removeprefix("key_")]
        assert found[0] == datetime(2026, 11, 20, *begin, tzinfo=UTC)
        assert found[1:10] == (1, 1, 1, 100, 10, 50, 20, 123_456, 0)
        assert found[10:15] == (1, 1_000_000, 1_500, 250_500, 250_500)
        assert [n for n, count in enumerate(found[15]) if count] == [21]  # 812.7 to 1024 ms
        assert sum(found[15]) == sum(found[16]) == 1


@pytest.mark.fault("I29")
async def test_a_batch_that_is_written_again_is_counted_once() -> None:
    lines = [row() for _ in range(5)]
    await write(lines)
    await write([*lines, row()])

    assert await counted() == [6] * 5
    assert await proven()


async def test_a_refused_row_is_set_aside_and_not_counted() -> None:
    lines = [row(attempt_count=10**6 if number == 3 else 1) for number in range(10)]
    async with open_pool() as pool:
        writer = LogWriter(pool)

        async def set_aside(line: bytes, fault: psycopg.Error) -> None:
            await writer.set_aside(line, fault)

        await write_halving(lines, writer.insert, set_aside)

    assert await counted() == [9] * 5
    assert await fetch("SELECT count(*) FROM gateway_deadletter") == [(1,)]


async def test_rows_of_a_killed_worker_are_counted_once_however_often_they_are_swept(tmp_path: Path) -> None:
    def die(recorder: Recorder) -> None:
        for number in range(4):
            entry = recorder.open(alias="rainymodel/auto")
            entry.state, entry.status = "ok", 200
            if number:
                recorder.close(entry)

    killed_worker(tmp_path, die)
    async with open_pool() as pool:
        await asyncio.gather(sweep_once(tmp_path, pool), sweep_once(tmp_path, pool))
        await sweep_once(tmp_path, pool)

    assert await counted() == [4] * 5
    assert sorted(await fetch("SELECT state, requests FROM gateway_traffic_day")) == [("lost", 1), ("ok", 3)]


async def test_a_row_that_comes_days_late_is_counted_where_it_belongs() -> None:
    await write([row(), row(ago(days=5))])

    assert await fetch("SELECT count(DISTINCT at), sum(requests) FROM gateway_traffic_day") == [(2, 2)]
    assert await proven()


async def test_many_writers_at_once_lose_and_double_nothing() -> None:
    dice = random.Random(7)
    batches = [[some_row(dice) for _ in range(40)] for _ in range(24)]

    async def writer(own: list[list[bytes]]) -> None:
        async with open_pool() as pool:
            for lines in own:
                await LogWriter(pool).insert(lines)

    await asyncio.gather(*(writer(batches[first::4]) for first in range(4)))

    assert await counted() == [960] * 5
    assert await proven()


def some_row(dice: random.Random) -> bytes:
    """A row of one of many kinds, of the last hours."""
    failed = attempt("hf", dice.choice(["timeout", "rate_limited"]), skipped=dice.random() < 0.2)
    return row(
        ago(seconds=dice.random() * 7200),
        alias=dice.choice(["a", "b", ""]),
        policy=dice.choice(["auto", "premium"]),
        provider=dice.choice(["hf", "groq", ""]),
        stream=dice.random() < 0.5,
        state=dice.choice(["ok", "ok", "cancelled", "upstream_error"]),
        attempts=[failed, attempt("groq")] if dice.random() < 0.3 else [attempt("groq")],
        cost_usd=dice.choice([None, Decimal("0.000000001"), Decimal("12.5")]),
        total_ms=dice.choice([None, dice.lognormvariate(7, 2)]),
        first_content_ms=dice.choice([None, dice.lognormvariate(5, 2)]),
        user_id=str(dice.randrange(3)),
    )


async def test_a_policy_that_a_client_made_up_is_no_dimension() -> None:
    await write([row(alias="", policy="made up"), row(endpoint="/chat/completions/")])

    found = await fetch("SELECT alias, policy, endpoint FROM gateway_traffic_day ORDER BY alias")
    assert found == [("", "", "chat/completions"), ("rainymodel/auto", "auto", "chat/completions")]


async def test_failed_attempts_say_who_was_asked_next() -> None:
    tried = [attempt("hf", "timeout"), attempt("groq", "circuit_open", skipped=True), attempt("openai")]
    await write(
        [
            row(attempts=tried),
            row(attempts=[attempt("hf", "timeout")]),
            row(attempts=[attempt("hf", "cancelled")]),
        ]
    )

    found = await fetch(
        "SELECT provider, word, skipped, next_provider, steps FROM gateway_traffic_step_minute"
    )
    assert sorted(found) == [
        ("groq", "circuit_open", True, "openai", 1),
        ("hf", "timeout", False, "", 1),
        ("hf", "timeout", False, "openai", 1),
    ]


async def test_a_wrong_roll_up_is_found_and_made_anew() -> None:
    await write([row(), row(ago(hours=30))])
    async with connect() as opened:
        await opened.execute(
            "UPDATE gateway_traffic_key_hour SET cost_nano = cost_nano + 1 WHERE at > now() - interval '2 h'"
        )
        await opened.execute("DELETE FROM gateway_traffic_day")

    found = await in_django(
        lambda: [each for _, day in differences(ago(days=3), datetime.now(UTC)) for each in day]
    )
    told = {(each.table, each.wrong, each.missing) for each in found}
    assert told == {("gateway_traffic_key_hour", 1, 1), ("gateway_traffic_day", 0, 1)}
    days = await in_django(lambda: list(rebuild(ago(days=3), datetime.now(UTC))))
    assert len(days) >= 2
    assert await proven()


async def test_what_the_log_does_not_hold_any_more_stays_rolled_up() -> None:
    await write([row(ago(days=20)), row()])
    async with connect() as opened:
        await opened.execute("DELETE FROM gateway_requestlog WHERE started_at < now() - interval '10 days'")

    await in_django(lambda: list(rebuild(ago(days=30), datetime.now(UTC))))
    assert await fetch("SELECT sum(requests) FROM gateway_traffic_day") == [(2,)]


async def test_each_level_is_kept_for_its_own_time() -> None:
    ages = (timedelta(), timedelta(days=4), timedelta(days=20), timedelta(days=50), timedelta(days=500))
    await write([row(datetime.now(UTC) - age) for age in ages])
    async with open_pool() as pool:
        deleted = await forget(pool)

    assert await counted() == [1, 3, 4, 2, 4]
    assert deleted == 4 + 2 + 1 + 3 + 1


async def test_nothing_is_forgotten_while_days_are_made_anew() -> None:
    await write([row(ago(days=20)), row(ago(days=19)), row()])

    async with open_pool() as pool:

        def rebuilt() -> list[int]:
            """How much was forgotten after each day."""
            days = rebuild(ago(days=30), datetime.now(UTC))
            return [async_to_sync(forget)(pool) for _ in days]

        forgotten = await in_django(rebuilt)
        assert len(forgotten) == 21 and not any(forgotten)
        assert await forget(pool) > 0

    assert (await counted())[4] == 3
