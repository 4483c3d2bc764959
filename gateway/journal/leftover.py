"""What a dead worker's journal says: rows that may not be written yet, and requests that never ended."""

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import orjson

from accounts.ledger.lost import Hold
from gateway.journal.directory import segment_files, take_over
from gateway.journal.records import (
    ADMITTED,
    DISCARDED,
    ENDED,
    NAMES,
    OWN_NAMES,
    PLANNED,
    ROW_ID,
    Unfinished,
    completed,
)
from gateway.journal.segment import number_of, records
from gateway.journal.tally import Count, minute_of


class Leftover:
    """One dead worker's directory; while this object has it, no other process does."""

    def __init__(self, directory: Path, lock: int) -> None:
        self._directory, self._lock = directory, lock
        self.worker = directory.name
        self._names = OWN_NAMES
        self._unfinished: dict[str, Unfinished] = {}
        self._counts: dict[datetime, tuple[int, int]] = {}

    @classmethod
    def of(cls, directory: Path) -> Self | None:
        """The directory, if its worker is gone and nobody else has it. Raises OSError."""
        lock = take_over(directory)
        return None if lock is None else cls(directory, lock)

    def segments(self) -> list[Path]:
        """The files that have been begun, oldest first. Raises OSError."""
        numbered = [(number_of(path), path) for path in segment_files(self._directory)]
        return [path for number, path in sorted((n, p) for n, p in numbered if n is not None)]

    def read(self, segment: Path) -> list[bytes]:
        """The rows in this segment; what else it says is remembered. To be called oldest first. Raises OSError."""
        return list(self._rows(segment.read_bytes()))

    def lost(self) -> list[tuple[bytes, list[Hold]]]:
        """A row for each request that was admitted and never ended, and what it had set aside."""
        return [each.lost_row() for each in self._unfinished.values()]

    def counts(self) -> list[Count]:
        """The minutes that the segments tell of; nothing is pending any more."""
        return [Count(self.worker, minute, *numbers, 0) for minute, numbers in self._counts.items()]

    def remove(self) -> None:
        """Delete the directory: all of it is in the database. Raises OSError."""
        for path in self._directory.iterdir():
            path.unlink()
        self._directory.rmdir()

    def release(self) -> None:
        """Let others have what is left of it."""
        os.close(self._lock)

    def _rows(self, content: bytes) -> Iterator[bytes]:
        for kind, payload in records(content):
            if kind == ENDED:
                self._end(payload[ROW_ID].decode())
                yield completed(payload, self._names["row"])
            elif kind == NAMES:
                self._names = orjson.loads(payload)
            else:
                self._note(kind, orjson.loads(payload))

    def _note(self, kind: int, values: list[Any]) -> None:
        if kind == ADMITTED:
            known = dict(zip(self._names["admission"], values[1:], strict=True))
            # A copy comes before that of its plan, which the death may have kept away.
            self._unfinished.setdefault(known["id"], Unfinished(known))
            self._count(known["id"], admitted=values[0])
        elif kind == PLANNED and values[0] in self._unfinished:
            plan = dict(zip(self._names["plan"], values[3:], strict=True))
            self._unfinished[values[0]].plan(values[1], values[2], plan)
        elif kind == DISCARDED:
            self._end(values[0])
            self._count(values[0], discarded=values[1])

    def _end(self, id: str) -> None:
        self._unfinished.pop(id, None)

    def _count(self, id: str, admitted: int = 0, discarded: int = 0) -> None:
        minute = minute_of(id)
        known = self._counts.get(minute, (0, 0))
        self._counts[minute] = max(known[0], admitted), max(known[1], discarded)
