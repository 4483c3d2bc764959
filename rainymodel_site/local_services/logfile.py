"""A service's log file: appended to, set aside once when it is large, and shown from its end."""

import os
from contextlib import suppress
from pathlib import Path

LIMIT = 10_000_000  # bytes
TAIL_BYTES = 200_000


class LogFile:
    """Takes bytes; beyond `limit` the file becomes NAME.1, in place of an older one, and a new one begins."""

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self._path, self._limit = path, limit
        self._descriptor, self._size = self._open()

    def write(self, said: bytes) -> None:
        """Append at once; what a full disk does not take is lost."""
        with suppress(OSError):
            if self._size and self._size + len(said) > self._limit:
                self._begin_anew()
            self._size += os.write(self._descriptor, said)

    def close(self) -> None:
        """Nothing is written any more."""
        os.close(self._descriptor)

    def _begin_anew(self) -> None:
        self._path.replace(older(self._path))
        full = self._descriptor
        self._descriptor, self._size = self._open()
        os.close(full)

    def _open(self) -> tuple[int, int]:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return descriptor, os.fstat(descriptor).st_size


def older(path: Path) -> Path:
    """The file that a full log becomes."""
    return path.with_name(f"{path.name}.1")


def tail(path: Path, lines: int) -> list[str]:
    """The log's last lines, at most so many; none when there is no log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            said = file.read().decode(errors="replace")
    except OSError:
        return []
    return said.splitlines()[-lines:] if lines > 0 else []
