"""Where the workers of one machine lay their figures for each other: one file each, read by whoever is scraped.

A worker holds a lock on `<id>.lock` while it lives. What a dead one counted is added to `gone.json`, once, by a living
one, so that counters never fall. Nothing here raises for a disk that takes nothing: each worker then tells its own
figures only.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson
import structlog

log = structlog.get_logger("gateway.metrics")
GONE = "gone.json"
FOLDING = "folding"
Figures = dict[str, Any]


class Shelf:
    """The directory, as the worker `name` sees it."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory, self._name = directory, name
        self._held: int | None = None
        self._told = False

    def open(self) -> None:
        """Take this worker's place. Beforehand nothing is written; `others` may be read all the same."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._held = take(self._directory / f"{self._name}.lock")
        except OSError as problem:
            self._tell(problem)

    def write(self, figures: Figures) -> None:
        """Put this worker's figures in the place of its last ones."""
        if self._held is None:
            return
        try:
            replace(self._directory / f"{self._name}.json", figures)
        except OSError as problem:
            self._tell(problem)

    def close(self) -> None:
        """Let go of the place; what was written last stays and is folded by whoever comes next."""
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def others(self) -> Iterator[tuple[Figures, bool]]:
        """What the other workers and the dead have left, and whether the one who wrote it lives."""
        with suppress(OSError), nobody_folding(self._directory / FOLDING):
            for file in sorted(self._directory.glob("*.json")):
                if file.stem != self._name and (figures := read(file)) is not None:
                    yield figures, file.name != GONE and is_held(file.with_suffix(".lock"))

    def fold(self, add: Any) -> None:
        """Add the dead workers' figures to those of the gone; `add(gone, figures)` returns the sum."""
        if self._held is None:
            return
        with suppress(OSError), only_one(self._directory / FOLDING):
            for lock in sorted(self._directory.glob("*.lock")):
                if lock.stem != self._name:
                    self._bury(lock, add)

    def _bury(self, lock: Path, add: Any) -> None:
        with suppress(BlockingIOError, FileNotFoundError):
            held = take(lock, make=False)
            try:
                file, gone = lock.with_suffix(".json"), self._directory / GONE
                figures = read(file)
                if figures is not None:
                    # Between these two a crash would count twice: the name says who is in already.
                    known = read(gone) or {"names": []}
                    if lock.stem not in known["names"]:
                        names = [*known["names"], lock.stem][-1000:]
                        replace(gone, {**add(known, figures), "names": names})
                    file.unlink()
                lock.unlink()
            finally:
                os.close(held)

    def _tell(self, problem: OSError) -> None:
        if not self._told:
            self._told = True
            log.warning("figures are not shared between workers", problem=type(problem).__name__)


def take(file: Path, *, make: bool = True) -> int:
    """The file, open and locked until it is closed. Raises BlockingIOError when somebody else has it."""
    handle = os.open(file, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if make else 0), 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def is_held(file: Path) -> bool:
    """Whether its worker lives."""
    try:
        os.close(take(file, make=False))
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextmanager
def only_one(file: Path) -> Iterator[None]:
    """Alone among all workers. Raises BlockingIOError when another one is at it."""
    handle = take(file)
    try:
        yield
    finally:
        os.close(handle)


@contextmanager
def nobody_folding(file: Path) -> Iterator[None]:
    """While nobody moves figures from one file to another; waits for who does."""
    handle = os.open(file, os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def read(file: Path) -> Figures | None:
    """The file's figures; None when it is gone or cannot be understood."""
    with suppress(OSError, orjson.JSONDecodeError):
        found = orjson.loads(file.read_bytes())
        return found if isinstance(found, dict) else None
    return None


def replace(file: Path, figures: Figures) -> None:
    """Write whole or not at all."""
    fresh = file.with_suffix(".new")
    fresh.write_bytes(orjson.dumps(figures))
    fresh.replace(file)
