"""Limits that hold together: several workers' ledgers over one Postgres."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal

import psycopg
import pytest
from django.db import connection
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from accounts.ledger.ledger import Exceeded, Ledger, LedgerUnavailable
from accounts.ledger.lost import settle_lost
from accounts.ledger.rules import MONEY, Rule, dollars, nano, period_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _empty_tables() -> None:
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE accounts_lessee, accounts_lease, accounts_use")


def conninfo(**other: str) -> str:
    known = connection.settings_dict
    wanted = {
        "dbname": known["NAME"],
        "user": known["USER"],
        "host": known["HOST"],
        "port": known["PORT"],
        **other,
    }
    return make_conninfo("", **{name: value for name, value in wanted.items() if value})


@asynccontextmanager
async def worker(info: str = "") -> AsyncIterator[Ledger]:
    """A ledger as a worker runs it."""
    async with AsyncConnectionPool(info or conninfo(), min_size=0, max_size=2, open=False, timeout=2) as pool:
        ledger = Ledger(pool, time.monotonic, time.time)
        loop = asyncio.ensure_future(ledger.run())
        try:
            yield ledger
        finally:
            loop.cancel()
            await ledger.stop()


@asynccontextmanager
async def workers(count: int) -> AsyncIterator[list[Ledger]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(worker()) for _ in range(count)]


async def rows(query: str) -> list[tuple]:
    async with await psycopg.AsyncConnection.connect(conninfo(), autocommit=True) as opened:
        return await (await opened.execute(query)).fetchall()


async def eventually(query: str, expected: list[tuple]) -> None:
    """Until the query answers this; the last answer is compared."""
    for _ in range(100):
        if await rows(query) == expected:
            return
        await asyncio.sleep(0.05)
    assert await rows(query) == expected


def spend(amount: int):
    return lambda rule: amount if rule.kind in MONEY else 0


async def test_what_was_reserved_and_not_used_is_free_again():
    day = Rule("key:a", "day", 100)
    async with worker() as ledger:
        first = await ledger.reserve([(day, 80)])
        with pytest.raises(Exceeded) as refused:
            await ledger.reserve([(day, 30)])
        first.settle(spend(10))
        second = await ledger.reserve([(day, 90)])
        second.settle(spend(90))
        with pytest.raises(Exceeded):
            await ledger.reserve([(day, 1)])

    assert (refused.value.rule, refused.value.room) == (day, 20)
    assert await rows("SELECT name, sum(amount)::int FROM accounts_use GROUP BY name") == [("key:a:day", 100)]
    assert await rows("SELECT count(*) FROM accounts_lease") == [(0,)]


async def test_a_lease_that_waiters_were_given_is_not_offered_to_those_who_came_meanwhile():
    places = Rule("provider:small", "running", 6, "provider")
    async with worker() as ledger:
        begun = []
        for _ in range(places.limit):
            begun.append(asyncio.ensure_future(ledger.reserve([(places, 1)], looks=1)))
            await asyncio.sleep(0.0005)  # while Postgres is asked for those before
        assert len(await asyncio.gather(*begun)) == places.limit


async def test_a_refusal_consumes_nothing_of_any_rule():
    wide, narrow = Rule("key:a", "day", 1000), Rule("key:a", "requests", 1)
    async with worker() as ledger:
        taken = await ledger.reserve([(wide, 10), (narrow, 1)])
        taken.settle(lambda rule: 1)
        for _ in range(20):
            with pytest.raises(Exceeded) as refused:
                await ledger.reserve([(wide, 10), (narrow, 1)])

    assert refused.value.rule is narrow
    assert 0 < refused.value.retry_after <= 60.5
    assert await rows("SELECT sum(amount)::int FROM accounts_use WHERE name = 'key:a:day'") == [(1,)]


async def test_an_amount_over_the_whole_limit_is_refused_without_taking_the_rest():
    day = Rule("key:a", "day", 100)
    async with workers(2) as (one, other):
        with pytest.raises(Exceeded):
            await one.reserve([(day, 101)])
        (await other.reserve([(day, 100)])).release()


@pytest.mark.fault("I17")
@pytest.mark.parametrize("seed", range(3))
async def test_many_workers_never_spend_more_than_the_limit_together(seed: int):
    dice, day = random.Random(seed), Rule("key:a", "day", nano(Decimal(1)))
    spent = refused = most = 0

    async def client(ledger: Ledger) -> None:
        nonlocal spent, refused, most
        for _ in range(40):
            amount = dice.randrange(1, 20_000_000)
            try:
                reservation = await ledger.reserve([(day, amount)])
            except Exceeded:
                refused += 1
                await asyncio.sleep(dice.random() / 50)
                continue
            await asyncio.sleep(dice.random() / 200)
            used = dice.randrange(amount + 1)
            reservation.settle(spend(used))
            spent += used
            most = max(most, spent)

    async with workers(4) as ledgers:
        await asyncio.gather(*(client(ledger) for ledger in ledgers for _ in range(16)))

    assert most <= day.limit
    assert refused > 0
    assert spent > day.limit * 0.9
    assert await rows("SELECT sum(amount)::bigint FROM accounts_use") == [(spent,)]


async def test_requests_at_once_are_counted_over_all_workers_and_come_back():
    at_once = Rule("key:a", "running", 5)
    async with workers(3) as ledgers:
        held = [await ledgers[number % 3].reserve([(at_once, 1)]) for number in range(5)]
        for ledger in ledgers:
            with pytest.raises(Exceeded):
                await ledger.reserve([(at_once, 1)])
        held[0].release()
        (await ledgers[2].reserve([(at_once, 1)])).release()
        for reservation in held:
            reservation.release()


async def test_a_burst_on_every_worker_at_once_holds_the_rate():
    rate = Rule("key:a", "requests", 60)
    passed = 0

    async def client(ledger: Ledger) -> None:
        nonlocal passed
        for _ in range(30):
            with contextlib.suppress(Exceeded):
                (await ledger.reserve([(rate, 1)])).settle(lambda rule: 1)
                passed += 1

    async with workers(4) as ledgers:
        await asyncio.gather(*(client(ledger) for ledger in ledgers))

    assert 50 <= passed <= 60


async def test_the_leases_of_a_silent_worker_return_and_its_uses_stay():
    day = Rule("key:a", "day", 100)
    async with worker() as alive:
        async with worker() as silent:
            (await silent.reserve([(day, 30)])).settle(spend(30))
            await silent.reserve([(day, 60)])
            await eventually("SELECT sum(amount)::int FROM accounts_use", [(30,)])
            await rows("UPDATE accounts_lessee SET seen_at = now() - interval '31 seconds' RETURNING 1")
            await rows("SELECT accounts_ledger_bury(NULL)")
            (await alive.reserve([(day, 65)])).settle(spend(65))
            await eventually("SELECT sum(amount)::int FROM accounts_use", [(95,)])
            # It was only asleep, and goes on: nothing of it is counted twice.
            with pytest.raises(Exceeded):
                await silent.reserve([(day, 6)])
        await eventually("SELECT sum(amount)::int FROM accounts_use", [(95,)])


async def test_a_limit_that_was_lowered_counts_at_once():
    async with worker() as ledger:
        (await ledger.reserve([(Rule("key:a", "day", 1000), 500)])).settle(spend(500))
        with pytest.raises(Exceeded):
            await ledger.reserve([(Rule("key:a", "day", 400), 1)])


async def test_without_a_database_money_is_refused_and_rates_are_judged_from_memory():
    nowhere = conninfo(host="127.0.0.1", port="1")
    rate, day, slots = Rule("k", "requests", 3), Rule("k", "day", 100), Rule("k", "running", 2)
    async with worker(nowhere) as ledger:
        with pytest.raises(LedgerUnavailable):
            await ledger.reserve([(day, 1)])
        for _ in range(3):
            (await ledger.reserve([(rate, 1), (slots, 1)])).settle(lambda rule: 1)
        with pytest.raises(Exceeded):
            await ledger.reserve([(rate, 1)])
        held = [await ledger.reserve([(slots, 1)]) for _ in range(2)]
        with pytest.raises(Exceeded):
            await ledger.reserve([(slots, 1)])
        held[0].release()


async def test_what_is_over_is_forgotten():
    async with worker() as ledger:
        for number in range(50):
            (await ledger.reserve([(Rule(f"key:{number}", "running", 5), 1)])).release()
        for _ in range(200):
            ledger._forget()
            if not ledger.known:
                break
            await asyncio.sleep(0.05)
        assert ledger.known == 0


@pytest.mark.fault("I31")
@pytest.mark.parametrize(
    ("now", "month"), [(0, 0), (31 * 86_400 - 1, 0), (31 * 86_400, 1), (1_795_219_200, 682)]
)
def test_a_month_is_the_calendars(now: float, month: int):
    assert period_of("month", now) == month


@pytest.mark.parametrize(
    ("usd", "text"),
    [("1", "1.00 USD"), ("0.5", "0.50 USD"), ("0.000125", "0.000125 USD"), ("12.3456", "12.3456 USD")],
)
def test_money_is_told_as_people_read_it(usd: str, text: str):
    assert dollars(nano(Decimal(usd))) == text


async def dead_worker(*names: str) -> None:
    """The uses of a worker that has been silent for long, in the order in which it wrote them."""
    async with await psycopg.AsyncConnection.connect(conninfo(), autocommit=True) as opened:
        await opened.execute(
            "WITH dead AS (INSERT INTO accounts_lessee"
            " VALUES (gen_random_uuid(), now() - interval '1 hour') RETURNING id)"
            " INSERT INTO accounts_use SELECT name, %s, dead.id, 5 FROM dead, unnest(%s::text[]) AS name",
            (period_of("day", time.time()), list(names)),
        )


async def test_two_burials_at_once_do_not_block_each_other():
    async with (
        await psycopg.AsyncConnection.connect(conninfo()) as first,
        await psycopg.AsyncConnection.connect(conninfo()) as second,
    ):
        await dead_worker("key:a:day")
        await first.execute("SELECT accounts_ledger_bury(NULL)")
        await dead_worker("key:b:day", "key:a:day")
        waiting = asyncio.ensure_future(second.execute("SELECT accounts_ledger_bury(NULL)"))
        while await rows("SELECT count(*)::int FROM pg_locks WHERE NOT granted") == [(0,)]:
            await asyncio.sleep(0.01)
        await dead_worker("key:b:day")
        await first.execute("SELECT accounts_ledger_bury(NULL)")
        await first.commit()
        await waiting
        await second.commit()

    assert await rows("SELECT name, sum(amount)::int FROM accounts_use GROUP BY name ORDER BY name") == [
        ("key:a:day", 10),
        ("key:b:day", 10),
    ]
    assert await rows("SELECT count(DISTINCT lessee) FROM accounts_use") == [(1,)]


async def test_burials_and_lost_requests_book_the_same_names_at_once():
    names = [f"key:{letter}:day" for letter in "abcdefgh"]
    day = period_of("day", time.time())

    async def bury(number: int) -> None:
        order = random.Random(number).sample(names, len(names))
        await dead_worker(*order)
        await rows("SELECT accounts_ledger_bury(NULL)")

    async def settle(number: int) -> None:
        async with await psycopg.AsyncConnection.connect(conninfo()) as opened:
            order = random.Random(number).sample(names, len(names))
            await settle_lost(opened, [(name, day, 5) for name in order])

    await asyncio.gather(*(act(number) for number in range(12) for act in (bury, settle)))

    assert await rows("SELECT DISTINCT sum(amount)::int FROM accounts_use GROUP BY name") == [(120,)]
