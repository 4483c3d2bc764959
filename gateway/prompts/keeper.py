"""The keeper: from captures to sealed rows, off the requests' path.

A consenting request costs a few appends and is never held up. What waits is bounded in bytes; what finds no room, or
cannot be written before the stop, is dropped, counted, and said in the server's log. One loop seals in a thread and
writes in batches; while the database is away it waits, and captures wait with it as long as there is room.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any

import psycopg
import psycopg_pool
import structlog

from accounts.caller import Caller
from gateway.call import Call
from gateway.prompts.capture import Capture
from gateway.prompts.document import document_of
from gateway.prompts.sealed import seal

log = structlog.get_logger("gateway.prompts")
CAPACITY = 64 * 1024 * 1024  # bytes of all captures of this worker, running ones included
BATCH = 20
INTERVAL = 0.5  # seconds
PAUSE = 2.0  # seconds, after a failure
WRITE_SECONDS = 10.0
# Consent is looked at again: who took it back, or revoked the key, while the request ran is not written.
INSERT = """
INSERT INTO gateway_storedprompt (id, key_id, user_id, sealed)
SELECT %s::uuid, id, %s::text, %s::bytea FROM accounts_apikey
WHERE id = %s::uuid AND store_prompts AND revoked_at IS NULL
ON CONFLICT DO NOTHING
"""
Row = tuple[str, str, bytes, str]


class PromptKeeper:
    """`held` is the bytes in memory; `stored` and `dropped` count the captures of this worker that have ended.

    `failing` says that the last try to write failed.
    """

    def __init__(
        self,
        pool: psycopg_pool.AsyncConnectionPool[Any],
        *,
        capacity: int = CAPACITY,
        interval: float = INTERVAL,
    ) -> None:
        self._pool, self._capacity, self._interval = pool, capacity, interval
        self._waiting: deque[Capture] = deque()
        self._stop = asyncio.Event()
        self._finished = asyncio.Event()
        self._running = self.failing = False
        self.held = self.stored = self.dropped = 0

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more may be held."""
        return self.held + size <= self._capacity

    def begin(self, call: Call, caller: Caller, dialect: str, body: bytes) -> None:
        """Keep this body, and listen to the answer; without room neither, and it is counted."""
        if not self.has_room(len(body)):
            self._drop()
            return
        capture = Capture(self, call.request_id, caller.key_id, caller.owner_id or "", dialect, body)
        self.held += capture.size
        call.capture = capture
        call.reply.overhear(capture.hear)

    def end(self, capture: Capture) -> None:
        """The request has ended: its row may be written."""
        self._waiting.append(capture)

    async def run(self) -> None:
        """Write what waits until `stop` has been called and nothing waits any more."""
        self._running = True
        try:
            while self._waiting or not self._stop.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE if self.failing else self._interval):
                        await self._stop.wait()
                await self._write_waiting()
                if self.failing and self._stop.is_set():
                    break
        finally:
            self._running = False
            self._finished.set()

    async def stop(self, within: float = 2.0) -> None:
        """Write everything that waits, for at most so many seconds; the rest is dropped and counted."""
        self._stop.set()
        if self._running:
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._finished.wait()
        if self._waiting:
            self.dropped += len(self._waiting)
            log.error("consented prompts could not be stored before the stop", dropped=len(self._waiting))

    async def _write_waiting(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting[n] for n in range(min(BATCH, len(self._waiting)))]
                rows = await asyncio.to_thread(sealed_rows, batch)
                await self._insert(rows)
                self.stored += len(rows)
                self.dropped += len(batch) - len(rows)
                for capture in batch:
                    self._waiting.popleft()
                    self.held -= capture.size
        except (psycopg.Error, OSError, TimeoutError) as problem:
            if not self.failing:
                log.warning("consented prompts wait for the database", problem=type(problem).__name__)
            self.failing = True
        else:
            self.failing = False

    async def _insert(self, rows: list[Row]) -> None:
        async with (
            asyncio.timeout(WRITE_SECONDS),
            self._pool.connection() as connection,
            connection.cursor() as cursor,
        ):
            await cursor.executemany(INSERT, rows)

    def _drop(self) -> None:
        if not self.dropped:
            log.error("no room for consented prompts; some are not stored", held=self.held)
        self.dropped += 1


def sealed_rows(captures: list[Capture]) -> list[Row]:
    """The rows of these captures; one that cannot be read is left out, and the log says so."""
    rows: list[Row] = []
    for each in captures:
        try:
            sealed = seal(document_of(each).to_json(), each.id, each.key_id)
        except Exception:
            log.exception("a consented prompt could not be sealed", request_id=each.id)
        else:
            rows.append((each.id, each.user_id, sealed, each.key_id))
    return rows
