"""What a worker does beside serving: hears of changes, reports that it lives, keeps partitions ahead."""

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
import structlog

from accounts.ceilings import read_ceilings
from gateway.partitions import maintain
from gateway.prompts.retention import tidy_prompts
from gateway.states.keeper import CHANNEL as UPSTREAMS
from gateway.sweeper import sweep
from gateway.traffic.retention import forget as forget_traffic

if TYPE_CHECKING:
    from gateway.services import Services

log = structlog.get_logger("gateway.housekeeping")
POLL_SECONDS = 2.0
HEARTBEAT_SECONDS = 5.0
MAINTENANCE_SECONDS = 3600.0
CATALOGUE, ACCESS = "rainymodel_catalogue", "rainymodel_access"


async def listen(services: "Services") -> None:
    """Refresh on NOTIFY; LISTEN needs a connection of its own. A lost one is opened again."""
    while True:
        with suppress(psycopg.Error, OSError):
            await _listen_once(services)
        await asyncio.sleep(1.0)


async def _listen_once(services: "Services") -> None:
    connection = await psycopg.AsyncConnection.connect(services.config.dsn, autocommit=True)
    async with connection:
        await connection.execute(f"LISTEN {CATALOGUE}")
        await connection.execute(f"LISTEN {ACCESS}")
        await connection.execute(f"LISTEN {UPSTREAMS}")
        await refresh(services)  # what changed while nobody listened
        async for notice in connection.notifies():
            if notice.channel == CATALOGUE:
                await take_up(services)
            elif notice.channel == UPSTREAMS:
                await services.states.read_orders()
            else:
                await refresh_access(services)


async def poll(services: "Services") -> None:
    """Catch what a lost NOTIFY did not say."""
    while True:
        await asyncio.sleep(POLL_SECONDS)
        await refresh(services)


async def refresh_access(services: "Services") -> None:
    """Look for changed keys, accounts and ceilings. Raises psycopg.Error, OSError or TimeoutError."""
    limits = services.limits
    limits.is_stale = await services.callers.check_for_changes() or limits.is_stale
    if limits.is_stale:
        limits.ceilings = await read_ceilings(services.pool)
        limits.is_stale = False


async def refresh(services: "Services") -> None:
    """Look for a newer revision and for changed keys; without a database the last known ones serve on."""
    await take_up(services)
    with suppress(psycopg.Error, OSError, TimeoutError):
        await refresh_access(services)
    with suppress(psycopg.Error, OSError, TimeoutError):
        await services.callers.flush_last_used()
    with suppress(psycopg.Error, OSError, TimeoutError):
        await services.callers.save_keys()


async def take_up(services: "Services") -> None:
    """Serve the newest revision, and say at once that this worker does."""
    with suppress(psycopg.Error, OSError, TimeoutError):
        if await services.store.refresh():
            await beat(services)


async def heartbeat(services: "Services") -> None:
    """Register this worker, then say every few seconds that it lives and which revision it serves."""
    while True:
        with suppress(psycopg.Error, OSError, TimeoutError):
            await beat(services)
        await asyncio.sleep(HEARTBEAT_SECONDS)


async def beat(services: "Services") -> None:
    """One heartbeat; rows of workers silent for a day are removed."""
    store, config = services.store, services.config
    row = {
        "id": config.worker_id,
        "hostname": socket.gethostname()[:120],
        "pid": os.getpid(),
        "number": config.worker_number,
        "revision": store.revision,
        "since": store.since,
        "ready": not services.not_ready(),
        "version": config.version,
    }
    async with services.pool.connection(timeout=2) as connection:
        await connection.execute(BEAT, row)
        await connection.execute("DELETE FROM gateway_worker WHERE heartbeat_at < now() - interval '1 day'")


BEAT = """
INSERT INTO gateway_worker
    (id, hostname, pid, number, started_at, heartbeat_at, revision, revision_since, ready, version)
VALUES (%(id)s, %(hostname)s, %(pid)s, %(number)s, now(), now(), %(revision)s, to_timestamp(%(since)s), %(ready)s,
        %(version)s)
ON CONFLICT (id) DO UPDATE SET heartbeat_at = now(), revision = excluded.revision,
    revision_since = excluded.revision_since, ready = excluded.ready
"""


async def keep_partitions(services: "Services") -> None:
    """Make the coming days' partitions, drop the expired ones."""
    while True:
        try:
            await maintain(services.pool, keep_days=services.config.log_days)
            await forget_traffic(services.pool)
        except (psycopg.Error, OSError, TimeoutError) as error:
            log.warning("partitions could not be maintained", problem=type(error).__name__)
        await asyncio.sleep(MAINTENANCE_SECONDS)


async def prepare_wires(services: "Services") -> None:
    """Let the wires make ready what the present catalogue needs."""
    while True:
        if services.store.is_loaded:
            for wire in services.wires.values():
                await wire.prepare(services.store.current)
        await asyncio.sleep(1.0)


async def say_goodbye(services: "Services") -> None:
    """Take this worker off the list when it stops in order."""
    with suppress(psycopg.Error, OSError, TimeoutError):
        async with services.pool.connection(timeout=1) as connection:
            await connection.execute("DELETE FROM gateway_worker WHERE id = %s", (services.config.worker_id,))


JOBS = (listen, poll, heartbeat, keep_partitions, prepare_wires, sweep, tidy_prompts)
