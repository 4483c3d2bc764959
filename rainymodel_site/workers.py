"""One worker process as its supervisor sees it, and the place that it fills."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass

READY = b"ready"
UNCONFIGURED = 78  # a worker's exit code when a setting cannot be read: trying again cannot help
LONGEST_WAIT = 30.0
LONG_LIFE = 60.0


@dataclass(slots=True, eq=False)
class Worker:
    """A process and the channel it speaks on. The channel's end tells either side that the other is gone."""

    number: int
    process: subprocess.Popen[bytes]
    channel: socket.socket
    started: float
    ready: bool = False
    channel_ended: bool = False
    dismissed: float | None = None

    def hear(self) -> bytes:
        """What the worker has said; nothing when it is going."""
        try:
            said = self.channel.recv(64)
        except OSError:
            said = b""
        self.channel_ended = not said
        return said


@dataclass(slots=True)
class Slot:
    """A worker's place: who fills it, who is to replace that one, and when an empty place may be filled again."""

    number: int
    worker: Worker | None = None
    successor: Worker | None = None
    failures: int = 0
    due: float = 0.0

    def workers(self) -> Iterator[Worker]:
        """The processes that belong here."""
        yield from (worker for worker in (self.worker, self.successor) if worker)

    def lose(self, worker: Worker) -> None:
        """The worker has ended; a successor that was on its way takes the place."""
        if self.worker is worker:
            self.worker = self.successor
        self.successor = None

    def back_off(self, worker: Worker, now: float) -> float:
        """Seconds to wait after this death: 1, 2, 4 … 30; a worker that had lived long starts over."""
        self.failures = 1 if now - worker.started >= LONG_LIFE else self.failures + 1
        wait = min(LONGEST_WAIT, 2.0 ** (self.failures - 1))
        self.due = now + wait
        return wait


def start_worker(number: int, listener: socket.socket, app: str, now: float) -> Worker:
    """A new worker on the socket, in a process group of its own: a terminal's Ctrl-C is the supervisor's to pass on."""
    ours, theirs = socket.socketpair()
    descriptors = [listener.fileno(), theirs.fileno()]
    command = [sys.executable, "-m", "rainymodel_site.worker", "--app", app, "--number", str(number)]
    command += ["--fd", str(descriptors[0]), "--channel", str(descriptors[1])]
    environment = os.environ | {"RAINYMODEL_WORKER_NUMBER": str(number)}
    with theirs:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, env=environment, pass_fds=descriptors, process_group=0
        )
    return Worker(number, process, ours, now)
