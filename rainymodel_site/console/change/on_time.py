"""The worker's job that publishes what is due. Every worker asks; the publishing lock lets one of them do it."""

import asyncio
from contextlib import suppress

import psycopg
import structlog
from django.db import DatabaseError, connections
from psycopg_pool import AsyncConnectionPool

from routing.models import ScheduledPublication
from routing.schedule import carry_out_due

LOOK_EVERY = 1.0
DUE = "SELECT 1 FROM routing_scheduledpublication WHERE state = 'waiting' AND at <= now()"
log = structlog.get_logger("rainymodel.schedule")


async def publish_on_time(pool: "AsyncConnectionPool") -> None:
    """Look every second whether anything is due; the work itself is Django's, in a thread."""
    while True:
        await asyncio.sleep(LOOK_EVERY)
        with suppress(psycopg.Error, DatabaseError, OSError, TimeoutError):
            if await is_due(pool):
                await asyncio.to_thread(carry_out)


async def is_due(pool: "AsyncConnectionPool") -> bool:
    """Whether a publication's time has come."""
    async with pool.connection(timeout=2) as connection:
        return await (await connection.execute(DUE)).fetchone() is not None


def carry_out() -> None:
    """Publish, or refuse, what is due; the thread's connection is closed after it."""
    try:
        done = carry_out_due()
    finally:
        connections.close_all()
    if done is not None:
        level = log.info if done.state == ScheduledPublication.PUBLISHED else log.warning
        level("a scheduled publication is over", state=done.state, outcome=done.outcome)
