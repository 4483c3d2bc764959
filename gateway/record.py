"""The recorder: exactly one log row for every opened request, written off the request's path.

A request costs three calls, none of which waits for anything: admitted, planned, ended. Each leaves a record in the
journal, which outlives this process. Rows wait as lines of JSON; one background loop writes them in batches. While
the database is away, slow or locked they stay where they are, at first in memory, then in the journal alone. A row
that Postgres refuses is found by halving its batch and set aside with the reason. Only what finds the journal and the
memory full is dropped, and counted.

opened = closed + discarded + still running, and closed = written + set_aside + dropped + waiting, at all
times.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import psycopg
import psycopg_pool
import structlog

from accounts.ledger.lost import Hold
from gateway.journal.journal import Journal
from gateway.journal.segment import Segment
from gateway.journal.tally import Minute, Numbers, Tally
from gateway.log_rows import LogEntry
from gateway.log_writer import LogWriter, write_halving
from gateway.uuid7 import new_id

__all__ = ["LogEntry", "Recorder"]
log = structlog.get_logger("gateway.record")
LONGEST_PAUSE = 5.0


def utc_now() -> datetime:
    """The time of day."""
    return datetime.now(UTC)


@dataclass(slots=True)
class Waiting:
    """A row that is not written yet: a line in memory, or a place in a segment, or both."""

    minute: Minute
    segment: Segment | None
    line: bytes | None
    begin: int = 0
    end: int = 0

    def read(self) -> bytes:
        """The line."""
        if self.line is None:
            assert self.segment is not None
            return self.segment.read(self.begin, self.end)
        return self.line


class Recorder:
    """Opens and closes log entries, and writes their rows while `run` runs.

    `capacity` bounds the rows that wait in memory, `batch` the rows of one statement; a batch leaves after
    `interval` seconds, or at once when it is full. Without a journal rows wait in memory alone.
    """

    def __init__(
        self,
        pool: psycopg_pool.AsyncConnectionPool[Any],
        *,
        worker: str,
        journal: Journal | None = None,
        capacity: int = 50_000,
        batch: int = 500,
        interval: float = 0.25,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._writer = LogWriter(pool)
        self._worker, self._now = worker, now
        self.journal = journal
        self._tally = Tally(worker)
        self._capacity, self._batch, self._interval = capacity, batch, interval
        self._rows: deque[Waiting] = deque()
        self._in_memory = 0
        self._wake, self._stop, self._finished = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._writing = asyncio.Lock()
        self._running = False
        self._failures = 0
        self.opened = self.closed = self.closed_again = self.discarded = 0
        self.written = self.set_aside = self.dropped = 0

    @property
    def waiting(self) -> int:
        """Rows that are closed and not yet in the database."""
        return len(self._rows)

    @property
    def failing(self) -> bool:
        """Whether the last try to write failed; the next success ends it."""
        return self._failures > 0

    @property
    def problem(self) -> str:
        """Why requests may be lost or budgets are refused now, in a word for operators; empty when all is well."""
        return "journal_full" if self.journal is not None and self.journal.is_full else ""

    def open(self, *, id: str | None = None, **known: Any) -> LogEntry:
        """The entry of a request that has just been admitted; it must end in `close` or `discard`."""
        self.opened += 1
        entry = LogEntry(id or new_id(), self._now(), self._worker, **known)
        minute = self._tally.admit(entry.id)
        entry.count_in(minute)
        if self.journal is not None:
            self.journal.admit(entry, minute.admitted)
        return entry

    def plan(self, entry: LogEntry, deployments: Sequence[str], holds: Sequence[Hold]) -> bool:
        """Before anybody is asked: who may be, and what is set aside. False: it could not be journalled."""
        return self.journal is None or self.journal.plan(entry, deployments, holds)

    def close(self, entry: LogEntry) -> bytes:
        """Queue the entry's row and return it as a line; a second call changes nothing and is counted."""
        if not self._ends(entry):
            return b""
        self.closed += 1
        line = entry.to_row()
        segment = None if self.journal is None else self.journal.end(entry.id, line)
        if self._in_memory < self._capacity:
            self._in_memory += 1
            self._rows.append(Waiting(entry.minute, segment, line))
        elif segment is not None:
            self._rows.append(Waiting(entry.minute, segment, None, segment.end - len(line), segment.end))
        else:
            self._drop(entry)
        if len(self._rows) >= self._batch:
            self._wake.set()
        return line

    def discard(self, entry: LogEntry) -> None:
        """End an entry without a row: the request never came to be."""
        if self._ends(entry):
            self.discarded += 1
            minute = entry.minute
            minute.discarded += 1
            minute.pending -= 1
            if self.journal is not None:
                self.journal.discard(entry.id, minute.discarded)

    async def run(self) -> None:
        """Write what waits until `stop` has been called and nothing waits any more."""
        self._running = True
        try:
            await self._look_ahead()
            while self._rows or not self._stop.is_set():
                await self._pause()
                await self._write_waiting()
                await self._look_ahead()  # what was just written may have left a segment to fill again
        finally:
            self._running = False
            self._finished.set()

    async def stop(self, within: float = 5.0) -> int:
        """Write everything that waits, for at most so many seconds.

        Returns how many rows could not be written; they stay in the journal, for the worker that comes after.
        """
        self._stop.set()
        self._wake.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await (self._finished.wait() if self._running else self._write_waiting())
        if self._rows:
            log.error("log rows could not be written before the stop", rows=self.waiting)
        elif self.journal is not None and self._tally.is_told:
            self.journal.close()
        return self.waiting

    def _ends(self, entry: LogEntry) -> bool:
        if entry.end():
            return True
        self.closed_again += 1
        log.error("a log entry was closed twice", request_id=entry.id)
        return False

    def _drop(self, entry: LogEntry) -> None:
        if not self.dropped:
            log.error("journal and memory are full; log rows are being dropped", rows=self.waiting)
        self.dropped += 1
        entry.minute.pending -= 1

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
            remaining = len(self._rows)
            try:
                while remaining > 0:
                    rows = list(islice(self._rows, min(self._batch, remaining)))
                    remaining -= len(rows)
                    await write_halving(rows, self._write, self._set_aside)
                    if remaining > 0:
                        await self._look_ahead()
                await self._tell()
            except Exception as problem:  # whatever it is, the rows are kept and the loop goes on
                self._note_failure(problem)
            else:
                self._note_success()

    async def _look_ahead(self) -> None:
        if self.journal is not None:
            await self.journal.look_ahead()

    async def _tell(self) -> None:
        """Tell the counts that no row has told, then let go of what the journal keeps in vain."""
        number = 0 if self.journal is None else self.journal.number
        untold = self._tally.untold()
        if untold:
            await self._writer.insert([], self._tally.counts(untold))
            self._tally.note_told(untold)
        if self.journal is not None:
            self.journal.tidy(number)

    async def _write(self, rows: Sequence[Waiting]) -> None:
        """Write the rows at the head of the queue and take them off."""
        numbers = self._tally.untold(row.minute for row in rows)
        await self._writer.insert([row.read() for row in rows], self._tally.counts(numbers))
        self.written += len(rows)
        self._take_off(rows, numbers)

    async def _set_aside(self, row: Waiting, fault: psycopg.Error) -> None:
        numbers = self._tally.untold([row.minute])
        await self._writer.set_aside(row.read(), fault, self._tally.counts(numbers))
        self.set_aside += 1
        self._take_off([row], numbers)

    def _take_off(self, rows: Sequence[Waiting], told: dict[Minute, Numbers]) -> None:
        """These rows, the oldest, are in the database."""
        for row in rows:
            self._rows.popleft()
            row.minute.pending -= 1
            if row.segment is not None:
                row.segment.waiting -= 1
            if row.line is not None:
                self._in_memory -= 1
        self._tally.note_told(told)

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
