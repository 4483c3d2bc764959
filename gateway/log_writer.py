"""Batches of log rows into Postgres, by one statement each.

INSERT from a JSON array costs this process less than COPY of single values, because the lines are JSON
already and are only joined; and it can be repeated after an answer that got lost: a row that is there stays
as it is.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import psycopg
import psycopg_pool

from gateway.log_rows import COLUMNS, REPLACEMENT

# What Postgres says when a row, not the database, is to blame. A check violation is not among them: the only check
# is a partition's bound, and a row fails it while its partition is being made. The next try succeeds.
ROW_FAULTS = (psycopg.DataError, psycopg.errors.NotNullViolation, psycopg.errors.ProgramLimitExceeded)
CONNECT_SECONDS = 5.0
WRITE_SECONDS = 15.0
LIMITS = "SELECT set_config('lock_timeout', '2s', true), set_config('statement_timeout', '10s', true)"
_NAMES = ", ".join(COLUMNS)
INSERT = (
    f"INSERT INTO gateway_requestlog ({_NAMES}) SELECT {_NAMES}"
    " FROM json_populate_recordset(NULL::gateway_requestlog, %s::json) ON CONFLICT DO NOTHING"
)
SET_ASIDE = (
    "INSERT INTO gateway_deadletter (id, row, reason, at) VALUES (%s, %s, %s, now()) ON CONFLICT DO NOTHING"
)
ROW_LIMIT, REASON_LIMIT = 65_536, 500


class LogWriter:
    """Writes to the log. Every call has a time limit; a call that failed may be repeated."""

    def __init__(self, pool: psycopg_pool.AsyncConnectionPool[Any]) -> None:
        self._pool = pool

    async def insert(self, lines: Sequence[bytes]) -> None:
        """All of these rows or none. Raises one of ROW_FAULTS when a row is to blame."""
        await self._execute(INSERT, (f"[{b','.join(lines).decode()}]",))

    async def set_aside(self, line: bytes, fault: psycopg.Error) -> None:
        """Keep a row that Postgres refuses, with the reason, where an operator can see it."""
        reason = f"{type(fault).__name__}: {fault.diag.message_primary or fault}".replace("\x00", REPLACEMENT)
        row = (orjson.loads(line)["id"], line.decode()[:ROW_LIMIT], reason[:REASON_LIMIT])
        await self._execute(SET_ASIDE, row)

    async def _execute(self, statement: str, values: tuple[str, ...]) -> None:
        async with (
            asyncio.timeout(WRITE_SECONDS),
            self._pool.connection(CONNECT_SECONDS) as connection,
            connection.transaction(),
        ):
            await connection.execute(LIMITS)
            await connection.execute(statement, values)
