"""`python -m rainymodel_site.local_services.keeper`: keeps one service alive in the background, and stops it.

It has no terminal. SIGTERM and SIGINT stop; what the service prints goes to its log; a service that ends is started
again after a pause of 1, 2, 4 … 30 seconds.
"""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rainymodel_site.local_services.logfile import LogFile
from rainymodel_site.local_services.processes import birth, signal_group
from rainymodel_site.local_services.records import KILLED, STOPPED, Record, write_record
from rainymodel_site.workers import LONG_LIFE, LONGEST_WAIT

MODULE = "rainymodel_site.local_services.keeper"
PIECE = 65_536  # bytes, as much as a pipe holds


@dataclass(frozen=True, slots=True)
class Task:
    """What to keep alive and where to say so; `patience` is the seconds that it may take to stop."""

    token: str
    pid_file: Path
    log_file: Path
    directory: Path
    patience: float
    command: tuple[str, ...]

    def arguments(self) -> list[str]:
        """The task as a command line, which `read_task` understands."""
        words = (self.token, self.pid_file, self.log_file, self.directory, self.patience, *self.command)
        return [sys.executable, "-m", MODULE, *map(str, words)]


def read_task(words: list[str]) -> Task:
    """The task of a command line."""
    token, pid_file, log_file, directory, patience, *command = words
    return Task(token, Path(pid_file), Path(log_file), Path(directory), float(patience), tuple(command))


class Keeper:
    """Runs one task until told to stop."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._log = LogFile(task.log_file)
        self._record = Record(os.getpid(), birth(os.getpid()) or "", task.token, task.patience)
        self._selector = selectors.DefaultSelector()
        self._child: subprocess.Popen[bytes] | None = None
        self._started = self._due = 0.0
        self._failures = 0
        self._stopping_since: float | None = None
        self._killed = False

    def run(self) -> None:
        """Keep the service alive until a signal says stop."""
        with self._signals():
            while self._child or self._stopping_since is None:
                self._start_when_due()
                self._wait()
                self._reap()
                self._kill_when_overdue()
        self._tell(child=0, ended=KILLED if self._killed else STOPPED)

    def _start_when_due(self) -> None:
        if self._child or self._stopping_since is not None or time.monotonic() < self._due:
            return
        self._started = time.monotonic()
        again = self._record.restarts + bool(self._record.last_end)
        try:
            self._child = subprocess.Popen(
                self._task.command,
                cwd=self._task.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        except OSError as error:
            self._lost(f"could not be started: {error.strerror}")
            return
        assert self._child.stdout is not None
        os.set_blocking(self._child.stdout.fileno(), False)
        self._selector.register(self._child.stdout, selectors.EVENT_READ)
        pid = self._child.pid
        self._tell(child=pid, child_born=birth(pid) or "", since=time.time(), restarts=again)

    def _wait(self) -> None:
        for key, _ in self._selector.select(self._until_something_is_due()):
            if key.fileobj is not self._inbox:
                self._copy_output()
            elif set(self._inbox.recv(64)) & {signal.SIGTERM, signal.SIGINT}:
                self._stop()

    def _until_something_is_due(self) -> float | None:
        if self._stopping_since is not None:
            moment = self._stopping_since + self._task.patience
        elif self._child is None:
            moment = self._due
        else:
            return None
        return max(0.0, moment - time.monotonic())

    def _copy_output(self, *, pieces: int = 1) -> None:
        """What the service has printed, in at most so many pieces; the end of the pipe is not waited for again."""
        assert self._child is not None and self._child.stdout is not None
        with suppress(BlockingIOError):
            for _ in range(pieces):
                said = os.read(self._child.stdout.fileno(), PIECE)
                if not said:
                    self._forget_output()
                    return
                self._log.write(said)

    def _forget_output(self) -> None:
        assert self._child is not None and self._child.stdout is not None
        if self._child.stdout in self._selector.get_map():
            self._selector.unregister(self._child.stdout)

    def _stop(self) -> None:
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
            if self._child:
                self._child.terminate()
            else:
                self._say("is not started again: it was told to stop")

    def _kill_when_overdue(self) -> None:
        overdue = (
            self._stopping_since is not None
            and time.monotonic() >= self._stopping_since + self._task.patience
        )
        if self._child and overdue and not self._killed:
            self._killed = True
            self._say(f"did not stop within {self._task.patience:g} s and is killed")
            signal_group(self._child.pid, signal.SIGKILL)

    def _reap(self) -> None:
        if self._child is None or (code := self._child.poll()) is None:
            return
        signal_group(self._child.pid, signal.SIGKILL)  # what it left behind would hold its port
        self._copy_output(pieces=64)
        self._forget_output()
        assert self._child.stdout is not None
        self._child.stdout.close()
        self._child = None
        self._lost(
            f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        )

    def _lost(self, how: str) -> None:
        """Decide when it is started again; a service that had lived long starts over with the shortest pause."""
        if self._stopping_since is not None:
            self._say(f"{how}, as it was told to stop")
            return
        lived = time.monotonic() - self._started
        self._failures = 1 if lived >= LONG_LIFE else self._failures + 1
        pause = min(LONGEST_WAIT, 2.0 ** (self._failures - 1))
        self._due = time.monotonic() + pause
        self._say(f"{how}; it is started again in {pause:g} s")
        self._tell(child=0, last_end=how)

    def _say(self, what: str) -> None:
        moment = datetime.now(UTC).isoformat(timespec="seconds")
        self._log.write(f"[{moment}] {self._task.pid_file.stem} {what}\n".encode())

    def _tell(self, **news: object) -> None:
        self._record = replace(self._record, **news)  # type: ignore[arg-type]
        try:
            write_record(self._task.pid_file, self._record)
        except OSError as error:  # a full disk is no reason to leave the service alone
            self._say(f"has a pid file that cannot be written: {error.strerror}")

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals become bytes on a socket, so that one wait covers them and the service's output."""
        self._inbox, outbox = socket.socketpair()
        outbox.setblocking(False)
        self._selector.register(self._inbox, selectors.EVENT_READ)
        # SIGHUP is heard and does nothing; were it ignored, the service would inherit that.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(outbox.fileno(), warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            self._selector.close()
            self._inbox.close()
            outbox.close()


if __name__ == "__main__":
    Keeper(read_task(sys.argv[1:])).run()
