"""One embedded Postgres per root directory: who holds the lock owns the server, everyone else attaches."""

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from rainymodel_site.postgres.account import account_for
from rainymodel_site.postgres.binaries import Binaries, find_binaries
from rainymodel_site.postgres.client import (
    DATABASE,
    POLL,
    create_missing_database,
    is_durable,
    refusal,
)
from rainymodel_site.postgres.copies import reachable_by
from rainymodel_site.postgres.errors import PostgresError
from rainymodel_site.postgres.launch import Launch, take_over
from rainymodel_site.postgres.layout import Layout, address
from rainymodel_site.postgres.server import Server

PATIENCE = 60.0  # seconds; recovery after a crash can take a while


class EmbeddedPostgres:
    """A private Postgres under `root`; with `durable=False` a power cut may lose it: faster, for tests.

    `binaries` is the PostgreSQL to run; without it, the wheel's or else the system's.
    """

    def __init__(self, root: Path, *, durable: bool = True, binaries: Binaries | None = None) -> None:
        self._layout = Layout(Path(os.path.abspath(root)))
        self._durable = durable
        self._binaries = binaries
        self._lock = RootLock(self._layout.lock)
        self._server: Server | None = None

    @property
    def owned(self) -> bool:
        """Whether this object has to stop the server: it started it, or took it over from a dead launcher."""
        return self._server is not None and self._lock.held

    @property
    def dsn(self) -> str:
        """The URL of the project's database."""
        return self.dsn_for(DATABASE)

    def dsn_for(self, database: str) -> str:
        """The URL of another database on this server; below a long path it is known only after `start`."""
        directory = self._layout.socket_directory()
        if directory is None:
            raise PostgresError(f"no server has been started under {self._layout.root}.")
        return address(directory, database)

    def answers(self) -> bool:
        """Whether the project's database can be used now."""
        return refusal(self._layout.socket_directory(), DATABASE) is None

    def start(self) -> None:
        """Make the database usable: attach to the server of another process, else start or take over one."""
        if self.owned and self.answers():
            return
        deadline = time.monotonic() + PATIENCE
        try:
            self._layout.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._lock_or_attach(deadline):
                self._serve(deadline)
        except (OSError, psycopg.Error) as error:
            raise PostgresError(f"the Postgres under {self._layout.root} is not usable: {error}") from error

    def stop(self) -> None:
        """Stop the server if this object owns it."""
        if not self._lock.held:
            return
        try:
            if self._server:
                self._server.stop()
                self._layout.drop_socket_directory()
        finally:
            self._server = None
            self._lock.release()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _lock_or_attach(self, deadline: float) -> bool:
        """True with the lock held; False when its holder's server answers."""
        while not self._lock.acquire():
            if self.answers():
                return False
            if time.monotonic() > deadline:
                why = refusal(self._layout.socket_directory(), DATABASE)
                raise PostgresError(
                    f"another process holds {self._layout.lock}, but its server does not answer: {why}."
                )
            time.sleep(POLL)
        return True

    def _serve(self, deadline: float) -> None:
        """With the lock held: have a server that answers and holds the project's database."""
        try:
            launch = self._plan_launch()
            self._server = self._adopt(deadline) or launch.start(deadline)
            create_missing_database(self._server.directory)
        except BaseException:  # Ctrl-C too
            self.stop()
            raise

    def _plan_launch(self) -> Launch:
        account = account_for(self._layout.data)
        binaries = reachable_by(account, self._binaries or find_binaries())
        launch = Launch(self._layout, account, binaries, self._durable)
        if not _holds_data(self._layout.data):
            launch.create_data()
        _require_version(self._layout.data, binaries)
        return launch

    def _adopt(self, deadline: float) -> Server | None:
        """A server that is already there, unless it is less durable than we promise.

        A dead launcher left it behind; or it is our own, recovering from the crash of one of its processes.
        """
        mine = self._server if self._server and self._server.running() else None
        directory = self._layout.socket_directory()
        found = take_over(self._layout, directory, deadline) if directory else None
        if found and self._durable and not is_durable(found.directory):
            found.stop()
            return None
        return mine if found and mine and mine.pid == found.pid else found


def running(root: Path) -> EmbeddedPostgres | None:
    """The embedded Postgres that serves under `root` now, not owned; None when there is none."""
    found = EmbeddedPostgres(root)
    return found if found.answers() else None


class RootLock:
    """Held by at most one process at a time; the kernel frees it however that process ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._descriptor is not None

    def acquire(self) -> bool:
        """Take the lock if it is free; True when it is held now."""
        if self._descriptor is None:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CREAT, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                return False
            self._descriptor = descriptor
            # A forked worker must neither count as the owner nor keep the lock when the launcher is killed.
            os.register_at_fork(after_in_child=self.release)
        return True

    def release(self) -> None:
        """Let go of the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _holds_data(data: Path) -> bool:
    if (data / "PG_VERSION").exists():
        return True
    if data.exists() and any(data.iterdir()):
        raise PostgresError(
            f"{data} holds something else than PostgreSQL data: move it away and start again."
        )
    return False


def _require_version(data: Path, binaries: Binaries) -> None:
    written_by = (data / "PG_VERSION").read_text().strip()
    if written_by != str(binaries.major):
        raise PostgresError(
            f"{data} was written by PostgreSQL {written_by}, but the PostgreSQL here is {binaries.major}: "
            f"dump it with pg_dumpall of version {written_by} and load that into a fresh directory, "
            f"or move {data} away to start empty."
        )
