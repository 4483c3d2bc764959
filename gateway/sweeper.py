"""Takes over what dead workers of this machine left in the journal, and writes it.

A directory whose lock can be had belongs to nobody alive. Its finished rows are written, each request that never
ended gets a row `lost` and is settled at its worst case, and the counts of its minutes are completed. All of it may be
done twice, by two workers or by one that dies half-way: rows, settlements and counts are there once.
"""

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import psycopg_pool
import structlog

from gateway.journal.leftover import Leftover
from gateway.log_writer import LogWriter, write_halving

if TYPE_CHECKING:
    from gateway.services import Services

log = structlog.get_logger("gateway.sweeper")
Pool = psycopg_pool.AsyncConnectionPool[Any]
SWEEP_SECONDS = 10.0
FORGET_SECONDS = 3600.0
BATCH = 500
FORGET = "DELETE FROM gateway_admission WHERE minute < now() - make_interval(days => %s)"


async def sweep(services: "Services") -> None:
    """At the start and every SWEEP_SECONDS: take over what was left behind; once an hour forget old minutes."""
    journal = services.recorder.journal
    forgot, has_told = float("-inf"), False
    while True:
        try:
            if journal is not None:
                await sweep_once(journal.root, services.pool)
            if time.monotonic() - forgot > FORGET_SECONDS:
                await forget(services.pool, services.config.log_days)
                forgot = time.monotonic()
            has_told = False
        except (psycopg.Error, OSError, TimeoutError) as problem:
            if not has_told:
                log.warning("looking after dead workers has to wait", problem=type(problem).__name__)
            has_told = True
        await asyncio.sleep(SWEEP_SECONDS)


async def sweep_once(root: Path, pool: Pool) -> int:
    """Account for every dead worker under `root`; returns how many there were. Raises psycopg.Error."""
    swept = 0
    for directory in await asyncio.to_thread(directories, root):
        try:
            swept += await sweep_one(directory, LogWriter(pool))
        except FileNotFoundError:
            pass  # somebody else was quicker
        except (OSError, ValueError, LookupError, TypeError) as problem:  # of another version, or damaged
            log.error(
                "a dead worker's journal cannot be read", directory=str(directory), problem=str(problem)
            )
    return swept


async def sweep_one(directory: Path, writer: LogWriter) -> bool:
    """Account for one worker; False when it lives, or another process is at it. Raises psycopg.Error or OSError."""
    leftover = await asyncio.to_thread(Leftover.of, directory)
    if leftover is None:
        return False
    try:
        await account_for(leftover, writer)
    finally:
        leftover.release()
    return True


def directories(root: Path) -> list[Path]:
    """The workers' directories. Raises OSError."""
    return sorted(each for each in root.iterdir() if each.is_dir()) if root.exists() else []


async def account_for(leftover: Leftover, writer: LogWriter) -> None:
    """Write everything that one dead worker left, then delete it."""
    rows = 0
    for segment in await asyncio.to_thread(leftover.segments):
        found = await asyncio.to_thread(leftover.read, segment)
        rows += len(found)
        for batch in (found[begin : begin + BATCH] for begin in range(0, len(found), BATCH)):
            await write_halving(batch, writer.insert, writer.set_aside)
    lost = await asyncio.to_thread(leftover.lost)
    for few in (lost[begin : begin + BATCH] for begin in range(0, len(lost), BATCH)):
        await write_halving(few, writer.insert_lost, writer.set_lost_aside)
    await writer.finish(leftover.worker, leftover.counts())
    await asyncio.to_thread(leftover.remove)
    if rows or lost:
        log.warning(
            "a dead worker's requests are accounted for", worker=leftover.worker, rows=rows, lost=len(lost)
        )


async def forget(pool: Pool, days: int) -> None:
    """Remove the counts of minutes whose rows the log does not keep any more. Raises psycopg.Error."""
    async with pool.connection(timeout=2) as connection:
        await connection.execute(FORGET, (days,))
