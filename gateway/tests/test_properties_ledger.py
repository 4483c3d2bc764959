"""No interleaving of workers, requests and reports spends more than a limit has, and none loses a use."""

import asyncio
import contextlib
import time

import psycopg
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from accounts.ledger.ledger import Exceeded, Ledger, Reservation
from accounts.ledger.rules import Rule

pytestmark = pytest.mark.django_db(transaction=True)

WORKERS = 3
LIMIT = 100
# What one worker does next: reserve so much, settle its oldest reservation with a share of it used, report, or stop.
steps = st.lists(
    st.tuples(
        st.integers(0, WORKERS - 1),
        st.one_of(
            st.tuples(st.just("reserve"), st.integers(1, 60)),
            st.tuples(st.just("settle"), st.integers(0, 100)),
            st.tuples(st.just("report"), st.just(0)),
            st.tuples(st.just("stop"), st.just(0)),
        ),
    ),
    max_size=40,
)


@pytest.fixture
def dsn() -> str:
    """The suite's database; its address, since the ledgers bring connections of their own."""
    known = connection.settings_dict
    wanted = {
        "dbname": known["NAME"], "user": known["USER"], "host": known["HOST"], "port": known["PORT"],
    }  # fmt: skip
    return make_conninfo("", **{name: value for name, value in wanted.items() if value})


class Played:
    """Workers whose every report happens when the test says so, and what they reserved and used in all."""

    def __init__(self, pool: AsyncConnectionPool, subject: str) -> None:
        self.pool, self.rule = pool, Rule(subject, "day", LIMIT)
        self.workers = [self.fresh() for _ in range(WORKERS)]
        self.held: list[list[tuple[Reservation, int]]] = [[] for _ in range(WORKERS)]
        self.spent = 0

    def fresh(self) -> Ledger:
        """A worker that has just started."""
        return Ledger(self.pool, time.monotonic, time.time)

    @property
    def committed(self) -> int:
        """What is used or may still be used by requests under way."""
        return self.spent + sum(amount for held in self.held for _, amount in held)

    async def reserve(self, worker: int, amount: int) -> None:
        """From the lease at hand, else with one report in between, as a request does."""
        ledger = self.workers[worker]
        asking = asyncio.ensure_future(ledger.reserve([(self.rule, amount)]))
        await asyncio.sleep(0)
        while not asking.done():
            await ledger._sync()
            await asyncio.sleep(0)
        with contextlib.suppress(Exceeded):
            self.held[worker].append((await asking, amount))

    async def settle(self, worker: int, percent: int) -> None:
        """The worker's oldest request ends, having used a part of what it set aside."""
        if self.held[worker]:
            reservation, amount = self.held[worker].pop(0)
            used = amount * percent // 100
            reservation.settle(lambda rule: used)
            self.spent += used

    async def report(self, worker: int, _: int) -> None:
        """The quarter of a second is over."""
        await self.workers[worker]._sync()

    async def stop(self, worker: int, _: int) -> None:
        """It finishes what it has and another starts in its place."""
        while self.held[worker]:
            await self.settle(worker, 50)
        await self.workers[worker].stop()
        self.workers[worker] = self.fresh()


async def play(dsn: str, subject: str, history: list[tuple[int, tuple[str, int]]]) -> int:
    """What the workers spent in all; at every step no more than the limit was within their reach."""
    async with AsyncConnectionPool(dsn, min_size=1, max_size=2, open=False, timeout=2) as pool:
        played = Played(pool, subject)
        for worker, (act, value) in history:
            await getattr(played, act)(worker, value)
            assert played.committed <= LIMIT
        for worker in range(WORKERS):
            await played.stop(worker, 0)
        return played.spent


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=steps)
def test_no_interleaving_spends_more_than_the_limit_or_loses_a_use(
    dsn: str, history: list[tuple[int, tuple[str, int]]]
):
    with psycopg.connect(dsn, autocommit=True) as opened:
        opened.execute("TRUNCATE accounts_lessee, accounts_lease, accounts_use")
        spent = asyncio.run(play(dsn, "key:made-up", history))
        booked = opened.execute("SELECT coalesce(sum(amount), 0)::bigint FROM accounts_use").fetchone()
        leased = opened.execute("SELECT count(*) FROM accounts_lease").fetchone()

    assert booked == (spent,)
    assert leased == (0,)
