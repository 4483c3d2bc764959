"""Stored prompts go: after seven days, and as soon as consent has ended.

Consent ends when the key's owner switches it off or the key is revoked. A key that was rolled stands for as long as
the one that replaced it.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import psycopg_pool
import structlog

from gateway.uuid7 import id_floor

if TYPE_CHECKING:
    from gateway.services import Services

log = structlog.get_logger("gateway.prompts")
Pool = psycopg_pool.AsyncConnectionPool[Any]
KEEP = timedelta(days=7)
SECONDS = 60.0
BATCH = 500
EXPIRED = """
DELETE FROM gateway_storedprompt WHERE id IN (
    SELECT id FROM gateway_storedprompt WHERE id < %s ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED
)
"""
WITHDRAWN = """
WITH RECURSIVE ended (id) AS (
    SELECT id FROM accounts_apikey
    WHERE NOT store_prompts OR (revoked_at IS NOT NULL AND replaced_by_id IS NULL)
    UNION SELECT old.id FROM accounts_apikey old JOIN ended ON old.replaced_by_id = ended.id
)
DELETE FROM gateway_storedprompt WHERE id IN (
    SELECT stored.id FROM ended JOIN gateway_storedprompt stored ON stored.key_id = ended.id
    LIMIT %s FOR UPDATE OF stored SKIP LOCKED
)
"""


async def tidy_prompts(services: "Services") -> None:
    """Once a minute, for as long as the worker lives."""
    while True:
        try:
            await tidy(services.pool, datetime.now(UTC))
        except (psycopg.Error, OSError, TimeoutError) as problem:
            log.warning("stored prompts could not be tidied", problem=type(problem).__name__)
        await asyncio.sleep(SECONDS)


async def tidy(pool: Pool, now: datetime) -> int:
    """Delete what has expired and what consent has ended for, in short transactions. Raises psycopg.Error.

    Returns how many rows went.
    """
    expired = await in_batches(pool, EXPIRED, (id_floor(now - KEEP), BATCH))
    return expired + await in_batches(pool, WITHDRAWN, (BATCH,))


async def in_batches(pool: Pool, statement: str, values: tuple[Any, ...]) -> int:
    """Run a DELETE until it finds less than a batch; returns how many rows went."""
    gone = 0
    while True:
        async with pool.connection() as connection:
            found: int = (await connection.execute(statement, values)).rowcount
        gone += found
        if found < BATCH:
            return gone
