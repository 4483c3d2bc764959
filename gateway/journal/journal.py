"""The journal of a living worker: what it admitted, planned and finished, until that is in the database."""

import asyncio
import os
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import structlog

from accounts.ledger.lost import Hold
from gateway.journal.directory import SUFFIX, make_segment, own
from gateway.journal.records import (
    ADMITTED,
    DISCARDED,
    ENDED,
    NAMES,
    PLANNED,
    admission,
    discarded,
    names,
    planned,
)
from gateway.journal.segment import HEAD_SIZE, TOP, Segment
from gateway.log_rows import LogEntry

log = structlog.get_logger("gateway.journal")
LARGEST, SMALLEST, PARTS = 4 * 1024 * 1024, 64 * 1024, 64
PAGE = 4096
NO_LIMIT = float("inf")


@dataclass(slots=True)
class Running:
    """An admitted request that has not ended: the segment with its records, and the records."""

    segment: Segment
    admission: bytes
    plan: tuple[bytes, ...] = ()


class Journal:
    """This worker's segments, oldest first; the last one is being filled.

    Nothing here raises for a disk that takes no more: `is_full` says so, and `refused` counts what was not recorded.
    """

    def __init__(self, root: Path, worker: str, limit: int) -> None:
        """`limit` is in bytes, for all workers of this `root` together."""
        self.root, self._directory, self._limit = root, root / worker, limit
        self._size = max(SMALLEST, min(LARGEST, limit // PARTS)) // PAGE * PAGE
        self._segments: deque[Segment] = deque()
        self._current: Segment | None = None
        self._spare: Segment | None = None
        self._running: dict[str, Running] = {}
        self._lock: int | None = None
        self._locking = threading.Lock()
        self._own_names = names()
        self._names = count()
        self.number = 0
        self.is_full = False
        self.refused = 0

    @property
    def segments(self) -> int:
        """How many segments hold something, or soon will."""
        return len(self._segments)

    def admit(self, entry: LogEntry, admitted: int) -> None:
        """Record an admission; `admitted` counts those of its minute."""
        payload = admission(entry, admitted)
        segment = self._append(ADMITTED, payload)
        if segment is not None:
            self._running[entry.id] = Running(segment, payload)

    def plan(self, entry: LogEntry, deployments: Sequence[str], holds: Sequence[Hold]) -> bool:
        """Record what a request may use; False when that, or its admission, could not be, or its end may not be."""
        running = self._running.get(entry.id)
        if running is None:
            return False
        payload = planned(entry, deployments, holds)
        running.plan += (payload,)
        return self._append(PLANNED, payload) is not None and not self.is_full

    def end(self, id: str, row: bytes) -> Segment | None:
        """Record a final row; None when that is impossible.

        The segment is kept until its `waiting`, which counts this row, is counted down again.
        """
        self._running.pop(id, None)
        segment = self._append(ENDED, row)
        if segment is not None:
            segment.waiting += 1
        return segment

    def discard(self, id: str, of_minute: int) -> None:
        """Record that a request makes no row; `of_minute` counts those of its minute."""
        self._running.pop(id, None)
        self._append(DISCARDED, discarded(id, of_minute))

    def tidy(self, before: int) -> None:
        """Let go of segments numbered below `before` whose rows are all written.

        Oldest first, so that the end of a request never goes before its beginning; what still runs is copied.
        """
        while self._segments and self._segments[0].number < before and not self._segments[0].waiting:
            oldest = self._segments[0]
            if not all(self._copied(each) for each in self._running.values() if each.segment is oldest):
                return
            self._segments.popleft()
            self._keep(oldest)

    def open(self) -> None:
        """Have the first segment ready. It may also be left out: the first record makes what it needs."""
        if self._spare is None:
            try:
                self._spare = self._make(self._size, self._limit)
            except OSError as problem:
                self._note_full(problem)

    async def look_ahead(self) -> None:
        """Have the next segment ready before it is needed; once there is room again, the journal is not full."""
        if self._spare is not None:
            return
        try:
            made = await asyncio.to_thread(self._make, self._size, self._limit)
        except OSError:
            return  # the record that finds no room will tell
        self._keep(made)

    def close(self) -> None:
        """Remove everything when nothing is left to write; otherwise it stays for the worker that comes after."""
        if self._lock is None or self._running or any(segment.waiting for segment in self._segments):
            return
        with suppress(OSError):  # what cannot be removed is found by the next sweep, and says nothing new
            for segment in (*self._segments, *filter(None, [self._spare])):
                segment.remove()
            self._directory.rmdir()
        self._segments.clear()
        self._current = self._spare = None
        os.close(self._lock)
        self._lock, self.is_full = None, True

    def _append(self, kind: int, payload: bytes, limit: float | None = None) -> Segment | None:
        segment = self._current
        if segment is not None and segment.append(kind, payload):
            return segment
        if self.is_full and limit is None:
            self.refused += 1
            return None
        try:
            segment = self._next(len(payload), self._limit if limit is None else limit)
        except OSError as problem:
            self._note_full(problem)
            self.refused += 1
            return None
        segment.append(kind, payload)
        return segment

    def _next(self, length: int, limit: float) -> Segment:
        """Begin another segment, in which a payload of this length has room. Raises OSError."""
        needed = TOP.size + 2 * HEAD_SIZE + len(self._own_names) + length
        segment = self._spare
        if segment is not None and segment.size >= needed:
            self._spare = None
        else:
            segment = self._make(max(self._size, -(-needed // PAGE) * PAGE), limit)
        self.number += 1
        segment.begin(self.number).append(NAMES, self._own_names)
        if self._segments:
            self._segments[-1].rest()
        self._segments.append(segment)
        self._current = segment
        return segment

    def _make(self, size: int, limit: float) -> Segment:
        with self._locking:
            if self._lock is None:
                self._lock = own(self._directory)
        return make_segment(self.root, self._directory / f"{next(self._names)}{SUFFIX}", size, limit)

    def _copied(self, running: Running) -> bool:
        """Whether the records of a running request are now in the segment being filled, beyond the limit if need be."""
        segment = self._append(ADMITTED, running.admission, NO_LIMIT)
        if segment is None or any(self._append(PLANNED, each, NO_LIMIT) is None for each in running.plan):
            return False
        running.segment = segment
        return True

    def _keep(self, segment: Segment) -> None:
        """Have it for the next time, if none is there; else it goes. Nobody may read its old records again: their
        ends may be gone, and the log may have forgotten their rows.
        """
        if self._spare is None and segment.size == self._size:
            self._spare = segment.blank()
            self._note_room()
        else:
            segment.remove()

    def _note_full(self, problem: OSError) -> None:
        if not self.is_full:
            log.error(
                "the journal takes no more; budgets are refused until it does", problem=problem.strerror
            )
        self.is_full = True

    def _note_room(self) -> None:
        if self.is_full:
            log.info("the journal takes records again", refused=self.refused)
        self.is_full = False
