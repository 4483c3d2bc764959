"""Where the embedded Postgres keeps its files, and the address at which clients reach it."""

import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from rainymodel_site.postgres.account import Account
from rainymodel_site.postgres.errors import PostgresError

USER = "rainymodel"
PORT = 5432  # no TCP port is opened: the number is part of the socket's name
SOCKET = f".s.PGSQL.{PORT}"
LONGEST_SOCKET_PATH = 103  # bytes; Linux allows 107, macOS 103


@dataclass(frozen=True)
class Layout:
    """The files below one root directory."""

    root: Path

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.root / "data"

    @property
    def unfinished(self) -> Path:
        """The data directory while it is being created."""
        return self.root / "data.new"

    @property
    def lock(self) -> Path:
        """The file whose flock makes a process the owner of the server."""
        return self.root / "lock"

    @property
    def log(self) -> Path:
        """What the server writes to stdout and stderr."""
        return self.root / "server.log"

    @property
    def socket_record(self) -> Path:
        """Names the socket's directory when that is not the data directory."""
        return self.root / "socket-directory"

    def server_pid(self) -> int | None:
        """The process id that the last server left in its pid file; it may long be another program's."""
        for file in (self.data / "postmaster.pid", self.data / f"{SOCKET}.lock"):
            try:
                return int(file.read_text().split()[0])
            except (OSError, ValueError, IndexError):
                continue
        return None

    def socket_directory(self) -> Path | None:
        """Where clients find the socket: the data directory, or the short one on record, or nowhere yet."""
        if _fits_a_socket(self.data):
            return self.data
        try:
            recorded = Path(os.fsdecode(self.socket_record.read_bytes()))
            return recorded if _is_private(recorded, self.data.stat().st_uid) else None
        except OSError:
            return None

    def make_socket_directory(self, account: Account) -> Path:
        """The socket's directory; when the root's path is too long, a new private one, put on record."""
        known = self.socket_directory()
        if known:
            return known
        short = Path(tempfile.mkdtemp(prefix="rainymodel-", dir=_short_parent()))
        account.give(short)
        draft = self.socket_record.with_suffix(".new")
        draft.write_bytes(os.fsencode(short))
        draft.replace(self.socket_record)
        return short

    def drop_socket_directory(self) -> None:
        """Remove the short directory, if there is one; the server must have stopped."""
        directory = self.socket_directory()
        if directory and directory != self.data:
            shutil.rmtree(directory, ignore_errors=True)
            self.socket_record.unlink(missing_ok=True)


def address(directory: Path, database: str) -> str:
    """The URL of a database behind the socket in `directory`; it names the port, or PGPORT would."""
    host = quote(os.fsencode(directory), safe="")
    return f"postgresql://{USER}@/{quote(database, safe='')}?host={host}&port={PORT}"


def _short_parent() -> str:
    for parent in (tempfile.gettempdir(), "/tmp"):
        if _fits_a_socket(Path(parent) / "rainymodel-12345678"):
            return parent
    raise PostgresError("no temporary directory has a path short enough for a Unix socket: set TMPDIR.")


def _fits_a_socket(directory: Path) -> bool:
    name = os.fsencode(directory / SOCKET)
    return len(name) <= LONGEST_SOCKET_PATH and b"," not in name  # libpq reads a comma as the end of a host


def _is_private(directory: Path, owner: int) -> bool:
    # Checked at each use: once the temporary directory was swept, anyone may have made one of this name.
    found = directory.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == owner and not found.st_mode & 0o077
