"""Programs of this project as processes, and the little that tests ask them."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rainymodel_site import env

PATIENCE = 30.0


@contextmanager
def program(*command: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """A running program in a process group of its own; whatever is left of the group is killed at the end."""
    process = subprocess.Popen(
        command,
        cwd=env.PROJECT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)  # until nobody holds its output: an orphan fails the test


def python(*arguments: str, **environment: str) -> Any:
    """`program` for a Python module or script of the project."""
    return program(sys.executable, *arguments, **environment)


def finished(process: subprocess.Popen[str], within: float = PATIENCE) -> tuple[int, str, str]:
    """Exit code, output and errors of a program that is about to end."""
    output, errors = process.communicate(timeout=within)
    return process.returncode, output, errors


def fetch(url: str) -> str:
    """The body of a GET, on a connection of its own."""
    with urllib.request.urlopen(url, timeout=10) as response:
        return str(response.read().decode())


def eventually(claim: Callable[[], Any], within: float = PATIENCE) -> Any:
    """The first true value of `claim`, asked again and again; errors count as not yet."""
    deadline = time.monotonic() + within
    while True:
        try:
            if found := claim():
                return found
        except OSError:
            pass
        assert time.monotonic() < deadline, f"not within {within} seconds"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
