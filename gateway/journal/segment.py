"""One file of the journal: records one after the other, each with its length and a checksum.

The file's blocks are allocated when it is made, so that a full disk is an error there and never a crash later. The
checksum begins with a number drawn for this filling of the file: what an earlier filling left behind it is not read.
"""

import mmap
import os
import random
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Self
from zlib import crc32

MAGIC = b"rmjrnl01"
TOP = Struct("<8sQII")  # magic, number, seed, checksum of these
HEAD = Struct("<IIB")  # length, checksum, kind
HEAD_SIZE = HEAD.size
Record = tuple[int, bytes]
_head = HEAD.pack


class Segment:
    """A file that this process fills. `waiting` rows in it are not in the database yet."""

    __slots__ = ("_map", "_seed", "end", "number", "path", "size", "waiting")

    def __init__(self, path: Path, size: int) -> None:
        """Make the file. Raises OSError when the disk has no room for it; nothing is left behind then."""
        self.path, self.size = path, size
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, size)
            self._map = mmap.mmap(descriptor, size)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(descriptor)
        self.number = self.end = self.waiting = self._seed = 0

    def begin(self, number: int) -> Self:
        """Empty it and give it its place among the worker's segments."""
        self.number, self.waiting, self._seed = number, 0, random.getrandbits(31)
        self._map[: TOP.size] = top(number, self._seed)
        self.end = TOP.size
        return self

    def blank(self) -> Self:
        """What is in it is of no more use: as if it had never been begun."""
        self._map[: TOP.size] = bytes(TOP.size)
        return self

    def append(self, kind: int, payload: bytes) -> bool:
        """Add a record; False when there is no room for it."""
        begin = self.end
        end = begin + HEAD_SIZE + len(payload)
        if end > self.size:
            return False
        self._map[begin:end] = _head(len(payload), crc32(payload, self._seed + kind), kind) + payload
        self.end = end
        return True

    def read(self, begin: int, end: int) -> bytes:
        """The bytes between two places."""
        return self._map[begin:end]

    def rest(self) -> None:
        """It is full: its pages need not count as this process's memory any more. What they say stays."""
        self._map.madvise(mmap.MADV_DONTNEED)

    def remove(self) -> None:
        """Delete the file."""
        self._map.close()
        self.path.unlink(missing_ok=True)


def top(number: int, seed: int) -> bytes:
    """The first bytes of a segment."""
    return TOP.pack(MAGIC, number, seed, crc32(b"%d %d" % (number, seed)))


def number_of(path: Path) -> int | None:
    """The segment's place among its worker's; None for a file that was never begun. Raises OSError."""
    with path.open("rb") as file:
        begin = file.read(TOP.size)
    return None if (known := opened(begin)) is None else known[0]


def opened(begin: bytes) -> tuple[int, int] | None:
    """Number and seed from a segment's first bytes; None when they are not a segment's."""
    if len(begin) < TOP.size:
        return None
    number, seed = TOP.unpack_from(begin)[1:3]
    return (number, seed) if begin[: TOP.size] == top(number, seed) else None


def records(content: bytes) -> Iterator[Record]:
    """Kind and payload of every whole record; the first that is torn, or of an earlier filling, ends it."""
    known = opened(content)
    if known is None:
        return
    place, seed = TOP.size, known[1]
    while place + HEAD_SIZE <= len(content):
        length, checksum, kind = HEAD.unpack_from(content, place)
        payload = content[place + HEAD_SIZE : place + HEAD_SIZE + length]
        if not length or len(payload) < length or crc32(payload, seed + kind) != checksum:
            return
        yield kind, payload
        place += HEAD_SIZE + length
