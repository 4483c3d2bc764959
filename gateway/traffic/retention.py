"""Roll-ups are deleted a day after they are older than readers ask for; not while days are made anew from them."""

from typing import Any

import psycopg_pool

from gateway.traffic.tables import FAMILIES, Table

BATCH = 10_000
LOCK = 0x726D726F6C6C  # any number, as long as nothing else of ours takes it
ALONE = f"SELECT pg_try_advisory_xact_lock({LOCK})"
FORGET = """
DELETE FROM {table} WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM {table} WHERE at < now() - make_interval(days => %s + 1) LIMIT %s FOR UPDATE SKIP LOCKED))
"""


async def forget(pool: psycopg_pool.AsyncConnectionPool[Any]) -> int:
    """Delete what has expired, a batch at a time; returns how many rows. Any number of workers may call it at once.

    Raises psycopg.Error.
    """
    tables = [table for family in FAMILIES for table in family.tables]
    return sum([await forget_of(pool, table) for table in tables])


async def forget_of(pool: psycopg_pool.AsyncConnectionPool[Any], table: Table) -> int:
    """The same for one table."""
    deleted, last = 0, BATCH
    while last == BATCH:
        async with pool.connection(timeout=2) as connection:
            cursor = await connection.execute(ALONE)
            if await cursor.fetchone() != (True,):
                break
            cursor = await connection.execute(FORGET.format(table=table.name), (table.keep_days, BATCH))
            last = cursor.rowcount
        deleted += last
    return deleted
