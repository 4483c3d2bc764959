"""The recorder: exactly one log row for every opened request, written off the request's path.

A request costs two calls, neither of which waits for anything. Rows wait as lines of JSON in a bounded queue;
one background loop writes them in batches. While the database is away, slow or locked the rows stay where
they are. A row that Postgres refuses is found by halving its batch and set aside with the reason. What finds
the queue full is dropped and counted.

opened = closed + discarded + still running, and closed = written + set_aside + dropped + waiting, at all
times.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import psycopg_pool
import structlog

from gateway.log_rows import LogEntry
from gateway.log_writer import ROW_FAULTS, LogWriter
from gateway.uuid7 import new_id

__all__ = ["LogEntry", "Recorder"]
log = structlog.get_logger("gateway.record")
LONGEST_PAUSE = 5.0


def utc_now() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


class Recorder:
    """Opens and closes log entries, and writes their rows while `run` runs.

    `capacity` bounds the rows that wait, `batch` the rows of one statement; a batch leaves after `interval`
    seconds, or at once when it is full.
    """

    def __init__(
        self,
        pool: psycopg_pool.AsyncConnectionPool[Any],
        *,
        worker: str,
        capacity: int = 50_000,
        batch: int = 500,
        interval: float = 0.25,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._writer = LogWriter(pool)
        self._worker, self._now = worker, now
        self._capacity, self._batch, self._interval = capacity, batch, interval
        self._lines: deque[bytes] = deque()
        self._wake, self._stop, self._finished = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._writing = asyncio.Lock()
        self._running = False
        self._failures = 0
        self.opened = self.closed = self.closed_again = self.discarded = 0
        self.written = self.set_aside = self.dropped = 0

    @property
    def waiting(self) -> int:
        """Rows that are closed and not yet in the database."""
        return len(self._lines)

    @property
    def failing(self) -> bool:
        """Whether the last try to write failed; the next success ends it."""
        return self._failures > 0

    def open(self, *, id: str | None = None, **known: Any) -> LogEntry:
        """The entry of a request that has just been admitted; it must end in `close` or `discard`."""
        self.opened += 1
        return LogEntry(id or new_id(), self._now(), self._worker, **known)

    def close(self, entry: LogEntry) -> bytes:
        """Queue the entry's row and return it as a line; a second call changes nothing and is counted."""
        if not self._ends(entry):
            return b""
        self.closed += 1
        line = entry.to_row()
        if len(self._lines) >= self._capacity:
            if not self.dropped:
                log.error("the queue of log rows is full; rows are being dropped", rows=self.waiting)
            self.dropped += 1
        else:
            self._lines.append(line)
            if len(self._lines) >= self._batch:
                self._wake.set()
        return line

    def discard(self, entry: LogEntry) -> None:
        """End an entry without a row: the request never came to be."""
        if self._ends(entry):
            self.discarded += 1

    def _ends(self, entry: LogEntry) -> bool:
        if entry.end():
            return True
        self.closed_again += 1
        log.error("a log entry was closed twice", request_id=entry.id)
        return False

    async def run(self) -> None:
        """Write what waits until `stop` has been called and nothing waits any more."""
        self._running = True
        try:
            while self._lines or not self._stop.is_set():
                await self._pause()
                await self._write_waiting()
        finally:
            self._running = False
            self._finished.set()

    async def stop(self, within: float = 5.0) -> int:
        """Write everything that waits, for at most so many seconds.

        Returns how many rows could not be written; they stay in the queue.
        """
        self._stop.set()
        self._wake.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await (self._finished.wait() if self._running else self._write_waiting())
        if self._lines:
            log.error("log rows could not be written before the stop", rows=self.waiting)
        return self.waiting

    async def _pause(self) -> None:
        """Until it is time for the next batch: soon, or later and later while the database takes none."""
        if self._failures and self._stop.is_set():
            await asyncio.sleep(self._interval)
        elif self._failures:
            await wait(self._stop, backed_off(self._interval, self._failures))
        else:
            await wait(self._wake, self._interval)
            self._wake.clear()

    async def _write_waiting(self) -> None:
        """Write the rows that wait now, oldest first. What cannot be written stays at the queue's head."""
        async with self._writing:
            remaining = len(self._lines)
            try:
                while remaining > 0:
                    lines = list(islice(self._lines, min(self._batch, remaining)))
                    remaining -= len(lines)
                    await self._write(lines)
            except Exception as problem:  # whatever it is, the rows are kept and the loop goes on
                self._note_failure(problem)
            else:
                self._note_success()

    async def _write(self, lines: list[bytes]) -> None:
        """Write the rows at the head of the queue and take them off; halve them until a bad one is alone."""
        try:
            await self._writer.insert(lines)
        except ROW_FAULTS as fault:
            if len(lines) > 1:
                half = len(lines) // 2
                await self._write(lines[:half])
                await self._write(lines[half:])
                return
            await self._writer.set_aside(lines[0], fault)
            self.set_aside += 1
            log.error("a log row was refused and set aside", reason=type(fault).__name__)
        else:
            self.written += len(lines)
        for _ in lines:
            self._lines.popleft()

    def _note_failure(self, problem: Exception) -> None:
        self._failures += 1
        if self._failures == 1:
            log.warning("log rows wait for the database", problem=type(problem).__name__, rows=self.waiting)

    def _note_success(self) -> None:
        if self._failures:
            log.info("log rows are being written again", tries=self._failures, rows=self.waiting)
        self._failures = 0


def backed_off(interval: float, failures: int) -> float:
    """Seconds to wait after so many failures in a row: doubled each time, up to LONGEST_PAUSE."""
    return min(LONGEST_PAUSE, interval * 2.0 ** min(failures, 10))


async def wait(event: asyncio.Event, seconds: float) -> None:
    """Until the event is set, or so many seconds have passed."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
