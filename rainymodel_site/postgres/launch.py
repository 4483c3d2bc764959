"""Creating a data directory and starting a server over it, as the right user and below private directories.

Postgres does not run as root, so root hands it to another user, who cannot walk a path below a directory of
mode 0700 such as /root. Opening those directories to everyone is not ours to do. Instead the programs inherit
open descriptors of the directories they may use, and know them as /proc/self/fd/N. (Starting them inside the
data directory and naming it /proc/self/cwd works with the wheel's PostgreSQL 18 but not with Debian's 15:
that one changes directory to find itself, and cannot come back.)
"""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rainymodel_site.postgres.account import Account
from rainymodel_site.postgres.binaries import Binaries
from rainymodel_site.postgres.client import is_listening, wait_for_answer
from rainymodel_site.postgres.errors import PostgresError
from rainymodel_site.postgres.layout import PORT, USER, Layout
from rainymodel_site.postgres.server import Server, server_found_running

SETTINGS = ("listen_addresses=", f"port={PORT}", "timezone=UTC", "log_timezone=UTC", f"cluster_name={USER}")
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
INITDB = ("-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions")
SAME_TEXT_EVERYWHERE = ("--locale-provider=builtin", "--builtin-locale=C.UTF-8")  # from PostgreSQL 17 on
RETRY = 0.1  # seconds
STILL_IN_USE = "pre-existing shared memory block"
LOG_LIMIT = 5_000_000  # bytes; looked at when a server starts
LAST_LINES = 6


@dataclass(frozen=True)
class Launch:
    """Everything that decides how data is created and a server started over it."""

    layout: Layout
    account: Account
    binaries: Binaries
    durable: bool

    def create_data(self) -> None:
        """Make the data directory, complete or not at all: a half-made one is under another name."""
        _require_a_name(self.account)
        unfinished = self.layout.unfinished
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self.account.give(unfinished)
        self._run_initdb(unfinished)
        unfinished.rename(self.layout.data)
        _sync(self.layout.root)

    def start(self, deadline: float) -> Server:
        """A server that answers, or PostgresError with the end of its log."""
        directory = self.layout.make_socket_directory(self.account)
        while True:
            log_start = self._prepare_log()
            server = self._spawn(directory)
            if _becomes_ready(server, directory, deadline):
                return server
            said = _read_from(self.layout.log, log_start)
            if STILL_IN_USE not in said or time.monotonic() > deadline:
                raise PostgresError(_with_reason(f"PostgreSQL did not start over {self.layout.data}", said))
            # Children of a killed server are still leaving, or a killed launcher's server is still starting.
            time.sleep(RETRY)
            found = take_over(self.layout, directory, deadline)
            if found:
                return found

    def _run_initdb(self, directory: Path) -> None:
        portable = SAME_TEXT_EVERYWHERE if self.binaries.major >= 17 else ()
        quick = () if self.durable else ("--no-sync",)
        with _inherited(directory) as (name, descriptor):
            command = [self.binaries.initdb, "-D", name, *INITDB, *portable, *quick]
            done = subprocess.run(command, capture_output=True, check=False, **self._process([descriptor]))
        if done.returncode:
            said = done.stderr.decode(errors="replace")
            raise PostgresError(_with_reason(f"initdb could not create {self.layout.data}", said))

    def _spawn(self, directory: Path) -> Server:
        """Start the server; it inherits the two directories and the log, not the lock."""
        settings = SETTINGS if self.durable else SETTINGS + FORGETFUL
        with _inherited(self.layout.data) as (data, first), _inherited(directory) as (sockets, second):
            listen = f'unix_socket_directories="{sockets}"'
            command = [self.binaries.postgres, "-D", data]
            command += [part for setting in (listen, *settings) for part in ("-c", setting)]
            child = self._spawn_logged(command, [first, second])
        return Server(self.layout, directory, child.pid, child)

    def _spawn_logged(self, command: list[Any], descriptors: list[int]) -> subprocess.Popen[bytes]:
        with self.layout.log.open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a terminal's Ctrl-C must not stop it before its clients
                **self._process(descriptors),
            )

    def _process(self, descriptors: list[int]) -> dict[str, Any]:
        # A bare environment: ours holds provider keys, and PG* variables would change what the programs do.
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
        # A killed server leaves its pid file behind, and that number may be another program's by now. This
        # variable is how pg_ctl names a pid to disregard. Deleting the file instead would also delete the
        # check that no process of the old server still writes to the data.
        stale = self.layout.server_pid()
        if stale is not None:
            environment["PG_GRANDPARENT_PID"] = str(stale)
        return {"cwd": "/", "env": environment, "pass_fds": descriptors, **self.account.switch()}

    def _prepare_log(self) -> int:
        """Set a large log aside; where in the log the next server will begin to write."""
        log = self.layout.log
        if log.exists() and log.stat().st_size > LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        if not log.exists():
            log.touch(mode=0o600)
            self.account.give(log)
        return log.stat().st_size


def take_over(layout: Layout, directory: Path, deadline: float) -> Server | None:
    """The server already listening in `directory`, once it answers; None when there is none or it ends."""
    if wait_for_answer(directory, lambda: is_listening(directory), deadline):
        return server_found_running(layout, directory)
    if is_listening(directory):
        raise PostgresError(f"the server over {layout.data} does not answer; its log is {layout.log}.")
    return None


def _becomes_ready(server: Server, directory: Path, deadline: float) -> bool:
    try:
        ready = wait_for_answer(directory, server.running, deadline)
    except BaseException:  # Ctrl-C too
        server.stop()
        raise
    if not ready:
        server.stop()
    return ready


@contextmanager
def _inherited(directory: Path) -> Iterator[tuple[str, int]]:
    """The name under which a child finds `directory`, and the descriptor that it must inherit for it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        by_descriptor = f"/proc/self/fd/{descriptor}"
        yield (by_descriptor if os.path.exists(by_descriptor) else str(directory)), descriptor
    finally:
        os.close(descriptor)


def _require_a_name(account: Account) -> None:
    try:
        pwd.getpwuid(account.uid)
    except KeyError:
        raise PostgresError(
            f"user id {account.uid} has no entry in the system's user list, which initdb insists on: "
            "start as a user that has one, or set DATABASE_URL."
        ) from None


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    os.fsync(descriptor)
    os.close(descriptor)


def _read_from(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode(errors="replace")


def _with_reason(sentence: str, said: str) -> str:
    lines = said.strip().splitlines()[-LAST_LINES:]
    return "\n    ".join([f"{sentence}; it said:", *lines]) if lines else f"{sentence} and did not say why."
