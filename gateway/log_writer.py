"""Batches of log rows into Postgres, by one statement each.

INSERT from a JSON array costs this process less than COPY of single values, because the lines are JSON
already and are only joined; and it can be repeated after an answer that got lost: a row that is there stays
as it is. The counts of admitted requests go with the rows, in one transaction, so that they agree at any time; so do
the roll-ups, by a trigger (gateway.traffic.roll_up).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

import orjson
import psycopg
import psycopg_pool
import structlog

from accounts.ledger.lost import Hold, settle_lost
from gateway.journal.tally import Count
from gateway.log_rows import COLUMNS, REPLACEMENT

log = structlog.get_logger("gateway.record")
# What Postgres says when a row, not the database, is to blame. A check violation is not among them: the only check
# is a partition's bound, and a row fails it while its partition is being made. The next try succeeds.
ROW_FAULTS = (psycopg.DataError, psycopg.errors.NotNullViolation, psycopg.errors.ProgramLimitExceeded)
CONNECT_SECONDS = 5.0
WRITE_SECONDS = 15.0
LIMITS = "SELECT set_config('lock_timeout', '2s', true), set_config('statement_timeout', '10s', true)"
_NAMES = ", ".join(COLUMNS)
_ROWS = (
    f"INSERT INTO gateway_requestlog ({_NAMES}) SELECT {_NAMES}"
    " FROM json_populate_recordset(NULL::gateway_requestlog, %s::json) AS told"
)
INSERT = f"{_ROWS} ON CONFLICT DO NOTHING"
INSERT_LOST = (
    f"{_ROWS} WHERE NOT EXISTS (SELECT FROM gateway_deadletter WHERE gateway_deadletter.id = told.id)"
    " ON CONFLICT DO NOTHING RETURNING id"
)
SET_ASIDE = (
    "INSERT INTO gateway_deadletter (id, row, reason, at) VALUES (%s, %s, %s, now())"
    " ON CONFLICT DO NOTHING RETURNING id"
)
COUNT = """
INSERT INTO gateway_admission AS known (worker, minute, admitted, discarded, pending)
    SELECT * FROM unnest(%s::text[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::bigint[])
ON CONFLICT (worker, minute) DO UPDATE SET
    admitted = greatest(known.admitted, excluded.admitted),
    discarded = greatest(known.discarded, excluded.discarded),
    pending = CASE WHEN known.swept THEN 0 ELSE excluded.pending END
"""
SWEPT = "UPDATE gateway_admission SET pending = 0, swept = true WHERE worker = %s"
ROW_LIMIT, REASON_LIMIT = 65_536, 500
Lost = tuple[bytes, list[Hold]]
Row = TypeVar("Row")


class LogWriter:
    """Writes to the log. Every call has a time limit; a call that failed may be repeated."""

    def __init__(self, pool: psycopg_pool.AsyncConnectionPool[Any]) -> None:
        self._pool = pool

    async def insert(self, lines: Sequence[bytes], counts: Sequence[Count] = ()) -> None:
        """All of these rows and counts, or none. Raises one of ROW_FAULTS when a row is to blame."""
        async with self._transaction() as connection:
            if lines:
                await connection.execute(INSERT, (array(lines),))
            await tell(connection, counts)

    async def set_aside(self, line: bytes, fault: psycopg.Error, counts: Sequence[Count] = ()) -> None:
        """Keep a row that Postgres refuses, with the reason, where an operator can see it."""
        async with self._transaction() as connection:
            await connection.execute(SET_ASIDE, refused(line, fault))
            await tell(connection, counts)

    async def insert_lost(self, lost: Sequence[Lost]) -> int:
        """Rows of requests that died, and what they had set aside as used: each once, however often it is called.

        Returns how many were new. Raises one of ROW_FAULTS when a row is to blame.
        """
        async with self._transaction() as connection:
            cursor = await connection.execute(INSERT_LOST, (array([line for line, _ in lost]),))
            return await settle_new(connection, lost, await cursor.fetchall())

    async def set_lost_aside(self, lost: Lost, fault: psycopg.Error) -> int:
        """The same for one row that Postgres refuses: it is set aside, and settled once."""
        async with self._transaction() as connection:
            cursor = await connection.execute(SET_ASIDE, refused(lost[0], fault))
            return await settle_new(connection, [lost], await cursor.fetchall())

    async def finish(self, worker: str, counts: Sequence[Count]) -> None:
        """The last counts of a worker that is gone; nothing it may still have under way changes them."""
        async with self._transaction() as connection:
            await tell(connection, counts)
            await connection.execute(SWEPT, (worker,))

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        async with (
            asyncio.timeout(WRITE_SECONDS),
            self._pool.connection(CONNECT_SECONDS) as connection,
            connection.transaction(),
        ):
            await connection.execute(LIMITS)
            yield connection


async def write_halving(
    rows: Sequence[Row],
    write: Callable[[Sequence[Row]], Awaitable[Any]],
    set_aside: Callable[[Row, psycopg.Error], Awaitable[Any]],
) -> None:
    """Write all rows; a batch that is refused is halved until a bad row is alone, which is set aside."""
    try:
        await write(rows)
    except ROW_FAULTS as fault:
        if len(rows) == 1:
            await set_aside(rows[0], fault)
            log.error("a log row was refused and set aside", reason=type(fault).__name__)
            return
        half = len(rows) // 2
        await write_halving(rows[:half], write, set_aside)
        await write_halving(rows[half:], write, set_aside)


def array(lines: Sequence[bytes]) -> str:
    """Lines of JSON as one array."""
    return f"[{b','.join(lines).decode()}]"


def refused(line: bytes, fault: psycopg.Error) -> tuple[str, str, str]:
    """Id, row and reason, each no longer than is useful."""
    reason = f"{type(fault).__name__}: {fault.diag.message_primary or fault}".replace("\x00", REPLACEMENT)
    return orjson.loads(line)["id"], line.decode()[:ROW_LIMIT], reason[:REASON_LIMIT]


async def tell(connection: psycopg.AsyncConnection[Any], counts: Sequence[Count]) -> None:
    """Absolute counts, so that what is told twice counts once. In a fixed order, as two may tell of one worker."""
    if counts:
        rows = [(c.worker, c.minute, c.admitted, c.discarded, c.pending) for c in counts]
        columns = zip(*sorted(rows), strict=True)
        await connection.execute(COUNT, tuple(list(column) for column in columns))


async def settle_new(
    connection: psycopg.AsyncConnection[Any], lost: Sequence[Lost], new: Sequence[tuple[UUID]]
) -> int:
    """Settle those whose rows this transaction made; the others were settled with theirs."""
    made = {str(id) for (id,) in new}
    holds = [hold for line, held in lost if orjson.loads(line)["id"] in made for hold in held]
    await settle_lost(connection, holds)
    return len(made)
