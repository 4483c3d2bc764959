"""The journal's directory: one directory per worker, locked while the worker lives."""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway.journal.segment import Segment

SUFFIX = ".segment"


class JournalFull(OSError):
    """The journal holds as much as it may."""


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Be the only process in this block for that directory. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def own(directory: Path) -> int:
    """Make a worker's directory and lock it for as long as the descriptor is open. Raises OSError.

    Another worker may take the new directory for one left behind and remove it; then it is made again.
    """
    while True:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            descriptor = os.open(directory, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if is_still(directory, descriptor):
                return descriptor
            os.close(descriptor)


def is_still(directory: Path, descriptor: int) -> bool:
    """Whether the path still leads to what was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), directory.stat())
    except FileNotFoundError:
        return False


def take_over(directory: Path) -> int | None:
    """The lock of a directory whose worker is gone; None while somebody has it. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def segment_files(directory: Path) -> list[Path]:
    """A worker's segments, in no order. Raises OSError."""
    return list(directory.glob(f"*{SUFFIX}"))


def bytes_taken(root: Path) -> int:
    """What all workers' segments take, those of dead ones too. Raises OSError."""
    return sum(size_of(path) for path in root.glob(f"*/*{SUFFIX}"))


def size_of(path: Path) -> int:
    """The file's size; 0 when it was removed meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def make_segment(root: Path, path: Path, size: int, limit: float) -> Segment:
    """A new segment, while all of them together stay within `limit` bytes. Raises JournalFull or OSError."""
    with locked(root):
        if bytes_taken(root) + size > limit:
            raise JournalFull(errno.EDQUOT, "the journal holds as much as RAINYMODEL_JOURNAL_MB allows")
        return Segment(path, size)
