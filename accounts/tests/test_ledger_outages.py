"""Limits while Postgres is away or slow, while clocks are set back, and at the ends of days and months."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection
from psycopg_pool import AsyncConnectionPool

from accounts.ledger.allowance import Allowance
from accounts.ledger.asks import NOTHING, ask_of
from accounts.ledger.ledger import LEASE_SECONDS, Exceeded, Ledger, LedgerUnavailable
from accounts.ledger.rules import Rule, nano, period_ends, period_of
from accounts.tests.road import road
from accounts.tests.test_ledger import conninfo, eventually, rows, spend, worker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _empty_tables() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE accounts_lessee, accounts_lease, accounts_use")


class Clock:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@asynccontextmanager
async def worker_with(clock: Clock, info: str) -> AsyncIterator[Ledger]:
    """A ledger with its own clock."""
    async with AsyncConnectionPool(info, min_size=0, max_size=2, open=False, timeout=2) as pool:
        ledger = Ledger(pool, clock, time.time)
        loop = asyncio.ensure_future(ledger.run())
        try:
            yield ledger
        finally:
            loop.cancel()
            await ledger.stop()


async def noticed(ledger: Ledger) -> None:
    """Until a worker without an answer knows it: from then on no request waits."""
    slots = Rule("key:probe", "running", 1000)
    for _ in range(100):
        began = time.monotonic()
        (await ledger.reserve([(slots, 999)])).release()
        if time.monotonic() - began < 0.01 and ledger._is_silent:
            return
    raise AssertionError("the outage was not noticed")


async def heard(ledger: Ledger) -> None:
    """Until a worker has Postgres's answer too, which comes after the rows are there."""
    for _ in range(200):
        if not ledger._is_silent:
            return
        await asyncio.sleep(0.05)
    raise AssertionError("Postgres is back and the worker did not hear it")


@pytest.mark.fault("I03")
async def test_while_postgres_is_slow_one_question_is_waited_for_and_no_more():
    rate = Rule("key:a", "requests", 1000)
    async with road() as way, worker(conninfo(host="127.0.0.1", port=str(way.port))) as ledger:
        (await ledger.reserve([(rate, 1)])).settle(lambda rule: 1)
        way.block()
        waited = []
        for number in range(60):
            began = time.monotonic()
            (await ledger.reserve([(Rule(f"key:{number}", "requests", 1000), 1)])).settle(lambda rule: 1)
            waited.append(time.monotonic() - began)
            await asyncio.sleep(0.05)
        way.unblock()

    assert len([seconds for seconds in waited if seconds > 0.05]) <= 1
    assert await rows("SELECT sum(amount)::int FROM accounts_use WHERE name LIKE 'key:%:requests'") == [(61,)]


@pytest.mark.fault("I02")
async def test_money_is_served_from_a_lease_through_an_outage_and_nothing_is_lost_of_it():
    day = Rule("key:a", "day", 16_000)
    async with road() as way, worker(conninfo(host="127.0.0.1", port=str(way.port))) as ledger:
        (await ledger.reserve([(day, 10)])).settle(spend(10))  # and a sixteenth ahead of need
        way.block()
        await noticed(ledger)
        await asyncio.sleep(3)
        (await ledger.reserve([(day, 900)])).settle(spend(900))
        with pytest.raises(LedgerUnavailable):
            await ledger.reserve([(day, 900)])
        (await ledger.reserve([(day, 0)])).settle(spend(0))
        way.unblock()
        await eventually("SELECT sum(amount)::int FROM accounts_use WHERE name = 'key:a:day'", [(910,)])
        await heard(ledger)
        (await ledger.reserve([(day, 900)])).release()


async def test_a_lease_ends_before_the_others_may_take_it():
    day, clock = Rule("key:a", "day", 16_000), Clock()
    async with road() as way, worker_with(clock, conninfo(host="127.0.0.1", port=str(way.port))) as ledger:
        (await ledger.reserve([(day, 10)])).settle(spend(10))
        way.block()
        await noticed(ledger)
        clock.ahead = LEASE_SECONDS + 5
        with pytest.raises(LedgerUnavailable):
            await ledger.reserve([(day, 100)])
        way.unblock()
        await eventually("SELECT sum(amount)::int FROM accounts_use WHERE name = 'key:a:day'", [(10,)])


async def test_the_wait_is_until_the_request_fits_not_until_the_oldest_use_ends():
    tokens = Rule("key:a", "tokens", 1000)
    now = "extract(epoch FROM clock_timestamp())"
    async with worker() as ledger:
        for seconds, amount in ((50, 10), (20, 900)):
            await rows(
                "INSERT INTO accounts_use VALUES ('key:a:tokens', floor"
                f"(({now} - {seconds}) * 4), gen_random_uuid(), {amount}) RETURNING 1"
            )
        with pytest.raises(Exceeded) as large:
            await ledger.reserve([(tokens, 500)])
        with pytest.raises(Exceeded) as small:
            await ledger.reserve([(tokens, 95)])

    assert 38 < large.value.retry_after < 41
    assert 8 < small.value.retry_after < 11
    assert (large.value.room, small.value.room) == (90, 90)


@pytest.mark.fault("I14")
async def test_uses_from_before_the_clock_was_set_back_do_not_block_a_rate():
    rate = Rule("key:a", "requests", 5)
    later = "floor((extract(epoch FROM clock_timestamp()) + 3600) * 4)"
    await rows(
        f"INSERT INTO accounts_use VALUES ('key:a:requests', {later}, gen_random_uuid(), 5) RETURNING 1"
    )
    async with worker() as ledger:
        (await ledger.reserve([(rate, 1)])).release()


async def test_requests_that_together_ask_for_more_than_can_be_counted_are_refused_alone():
    month = Rule("key:a", "month", nano(Decimal(1_000_000_000)))
    day = Rule("key:b", "day", 100)
    async with worker() as ledger:
        found = await asyncio.gather(
            *(ledger.reserve([(month, month.limit)]) for _ in range(20)), return_exceptions=True
        )
        assert [type(one) for one in found].count(Exceeded) == 19
        (await ledger.reserve([(day, 10)])).release()


async def test_a_limit_removed_while_it_is_leased_goes_back():
    day = Rule("key:a", "day", 16_000)
    async with worker() as ledger:
        held = await ledger.reserve([(day, 10)])
        held.settle(spend(10))  # and nobody asks for the rule again
        await eventually("SELECT count(*) FROM accounts_lease", [(0,)])


@pytest.mark.fault("I31")
async def test_what_was_reserved_yesterday_is_booked_yesterday():
    clock, day = Clock(), Rule("key:a", "day", 100)
    async with worker_with(clock, conninfo()) as ledger:
        held = await ledger.reserve([(day, 80)])
        (today,) = (allowance.period for allowance, _ in held.held)
        ledger._offset += 86_400  # as if midnight had passed meanwhile
        assert ledger.allowance(day).period == today + 1
        held.settle(spend(70))
        await eventually("SELECT period, amount::int FROM accounts_use", [(today, 70)])


@pytest.mark.fault("I14")
async def test_totals_go_on_when_the_clock_is_set_back_over_midnight():
    clock, day = Clock(), Rule("key:a", "day", 100)
    async with worker_with(clock, conninfo()) as ledger:
        (await ledger.reserve([(day, 80)])).settle(spend(80))
        await eventually("SELECT amount::int FROM accounts_use", [(80,)])
        ledger._offset += 86_400
        ledger._forget()
        ledger._offset -= 86_400
        (await ledger.reserve([(day, 10)])).settle(spend(10))
        await eventually("SELECT amount::int FROM accounts_use", [(90,)])


@pytest.mark.fault("I31")
@pytest.mark.parametrize(
    ("moment", "kind", "ends"),
    [
        (datetime(2028, 2, 28, 23, 59, 59, 999_000, UTC), "day", datetime(2028, 2, 29, tzinfo=UTC)),
        (datetime(2028, 2, 29, tzinfo=UTC), "day", datetime(2028, 3, 1, tzinfo=UTC)),
        (datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC), "month", datetime(2028, 3, 1, tzinfo=UTC)),
        (datetime(2027, 2, 28, 12, tzinfo=UTC), "month", datetime(2027, 3, 1, tzinfo=UTC)),
        (datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), "month", datetime(2027, 1, 1, tzinfo=UTC)),
    ],
    ids=["before-leap-day", "leap-day", "leap-month", "february", "december"],
)
def test_days_and_months_end_at_midnight_utc(moment: datetime, kind, ends: datetime):
    assert period_ends(kind, period_of(kind, moment.timestamp())) == ends
    assert period_of(kind, ends.timestamp()) == period_of(kind, moment.timestamp()) + 1


def test_an_idle_lease_goes_back_unless_postgres_is_away():
    allowance = Allowance(Rule("key:a", "day", 16_000), 1, free=1000)
    kept = [ask_of(allowance, NOTHING, keep=True).outstanding for _ in range(9)]
    given_back = [ask_of(allowance, NOTHING, keep=False).outstanding for _ in range(9)]

    assert set(kept) == {1000}
    assert given_back[0] == 1000 and given_back[-1] == 0
