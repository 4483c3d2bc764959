"""A worker that is killed: a real process that records requests and dies by SIGKILL before it wrote a row."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from gateway.journal.journal import Journal
from gateway.record import Recorder

MEGABYTE = 1024 * 1024
WORKER = "0b2a0a7e-0000-4000-8000-00000000dead"


def killed_worker(root: Path, act: Callable[[Recorder], Any], worker: str = WORKER) -> None:
    """Do something with a recorder in a process of its own, which is then killed before it could write a row."""
    child = os.fork()
    if child == 0:
        try:
            nobody = cast(Any, None)  # no pool: this worker never gets to writing
            act(Recorder(nobody, worker=worker, journal=Journal(root, worker, 64 * MEGABYTE)))
        finally:
            os.kill(os.getpid(), signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL


def segments(root: Path) -> list[Path]:
    """All workers' segment files."""
    return sorted(root.glob("*/*.segment"))
