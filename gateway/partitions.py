"""The request log's partitions: one table a day, made ahead, dropped whole when it expires.

A row whose day has no partition lands in the DEFAULT one, so nothing is refused when this has not run for
days. The next run gives every day found there its own partition and moves its rows; after that DEFAULT is
empty again. An ordinary run moves nothing. No statement waits longer than LOCK_WAIT for a lock: a waiting one
would stop the readers and writers behind it. A run that finds the table busy gives up, and the next one tries
again.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import psycopg
import psycopg_pool
import structlog

from gateway.uuid7 import id_floor, time_of

log = structlog.get_logger("gateway.partitions")
TABLE = "gateway_requestlog"
DEFAULT = f"{TABLE}_default"
LOCK = 0x726D6C6F67  # any number, as long as nothing else of ours takes it
LOCK_WAIT = "100ms"
NAME = re.compile(rf"{TABLE}_(\d{{8}})")
DAY = timedelta(days=1)
Connection = psycopg.AsyncConnection[Any]


@dataclass(frozen=True, slots=True)
class Partition:
    """One day's table; `attached` is false when its removal was interrupted half-way."""

    day: date
    attached: bool

    @property
    def name(self) -> str:
        """The table's name."""
        return partition_name(self.day)


@dataclass(frozen=True, slots=True)
class Changes:
    """What a run did. `busy`: somebody else was at it, or held a lock; the next run does the rest."""

    created: tuple[date, ...] = ()
    dropped: tuple[date, ...] = ()
    busy: bool = False


async def maintain(
    pool: psycopg_pool.AsyncConnectionPool[Connection],
    *,
    keep_days: int = 30,
    ahead: int = 3,
    today: date | None = None,
) -> Changes:
    """Make the coming days' partitions, drop the expired ones. Any number of workers may call it at once."""
    day = today or datetime.now(UTC).date()
    try:
        async with pool.connection() as connection:
            created = await ensure_partitions(connection, day, ahead)
        async with pool.connection() as connection:
            dropped = await drop_expired(connection, day, keep_days)
    except psycopg.errors.LockNotAvailable:
        log.info("the request log is busy; its partitions are looked after at the next run")
        return Changes(busy=True)
    return Changes(created, dropped)


async def ensure_partitions(connection: Connection, today: date, ahead: int = 3) -> tuple[date, ...]:
    """Give today, `ahead` coming days and every day found in DEFAULT a partition; returns the days made.

    Raises LockNotAvailable when somebody else is at it or the table is busy; nothing is changed then.
    """
    async with connection.transaction():
        await take_turn(connection)
        existing = {partition.day for partition in await partitions(connection)}
        wanted = {today + DAY * n for n in range(ahead + 1)} | set(await stray_days(connection))
        missing = tuple(sorted(wanted - existing))
        for day in missing:
            for statement in creation(day):
                await connection.execute(statement)
    return missing


async def drop_expired(connection: Connection, today: date, keep_days: int) -> tuple[date, ...]:
    """Drop the partitions of days more than `keep_days` before today; returns those days.

    Each is detached first, in a short transaction; the file is removed when nothing can wait for it any more.
    Raises LockNotAvailable like `ensure_partitions`; an interrupted removal is finished by the next run.
    """
    async with connection.transaction():
        await take_turn(connection)
        expired = [p for p in await partitions(connection) if p.day < today - DAY * keep_days]
        for partition in expired:
            if partition.attached:
                await connection.execute(f"ALTER TABLE {TABLE} DETACH PARTITION {partition.name}")
    async with connection.transaction():
        for partition in expired:
            await connection.execute(f"DROP TABLE IF EXISTS {partition.name}")
    return tuple(partition.day for partition in expired)


async def take_turn(connection: Connection) -> None:
    """Be the only one for the rest of this transaction, and never wait long. Raises LockNotAvailable."""
    await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'")
    await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")


async def partitions(connection: Connection) -> list[Partition]:
    """All daily tables, oldest first, also those that an interrupted removal left detached."""
    cursor = await connection.execute(
        "SELECT relname, relispartition FROM pg_class WHERE relkind = 'r' AND relnamespace ="
        f" (SELECT relnamespace FROM pg_class WHERE oid = '{TABLE}'::regclass) ORDER BY relname"
    )
    rows = await cursor.fetchall()
    found = ((NAME.fullmatch(name), attached) for name, attached in rows)
    return [Partition(date.fromisoformat(m[1]), attached) for m, attached in found if m]


async def stray_days(connection: Connection) -> list[date]:
    """The days of the rows in DEFAULT, found by one step along the primary key for each day."""
    days: list[date] = []
    floor = id_floor(datetime(1970, 1, 1, tzinfo=UTC))
    while True:
        cursor = await connection.execute(
            f"SELECT id FROM {DEFAULT} WHERE id >= %s ORDER BY id LIMIT 1", (floor,)
        )
        row = await cursor.fetchone()
        if row is None:
            return days
        days.append(time_of(row[0]).date())
        floor = id_floor(midnight(days[-1] + DAY))


def creation(day: date) -> tuple[str, ...]:
    """The statements that make one day's partition, with the rows that DEFAULT holds of that day.

    DEFAULT is locked first: a row written into it meanwhile would make the new bounds impossible.
    """
    name, low, high = partition_name(day), id_floor(midnight(day)), id_floor(midnight(day + DAY))
    return (
        f"LOCK TABLE {DEFAULT} IN ACCESS EXCLUSIVE MODE",
        f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING ALL)",
        f"WITH moved AS (DELETE FROM {DEFAULT} WHERE id >= '{low}' AND id < '{high}' RETURNING *)"
        f" INSERT INTO {name} SELECT * FROM moved",
        f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM ('{low}') TO ('{high}')",
    )


def partition_name(day: date) -> str:
    """`gateway_requestlog_20261121`."""
    return f"{TABLE}_{day:%Y%m%d}"


def midnight(day: date) -> datetime:
    """The first instant of a day, UTC."""
    return datetime.combine(day, time(), UTC)
