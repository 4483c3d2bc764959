"""Asking a server over its socket: the only proof that it serves is a real connection."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from rainymodel_site.postgres.layout import SOCKET, address

DATABASE = "rainymodel"
MAINTENANCE = "postgres"  # the database that initdb makes
POLL = 0.02


def is_listening(directory: Path | None) -> bool:
    """Whether a process accepts connections on the socket in `directory`, ready to serve or not."""
    if directory is None:
        return False
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(1.0)
        try:
            client.connect(os.fspath(directory / SOCKET))
        except (BlockingIOError, TimeoutError):
            return True  # its queue is full
        except OSError:
            return False
    return True


def refusal(directory: Path | None, database: str) -> str | None:
    """None when a real connection to `database` succeeds, else the reason why it does not."""
    if directory is None or not is_listening(directory):
        return "nothing listens on its socket"
    try:
        _connect(directory, database).close()
    except psycopg.OperationalError as error:
        return str(error).strip().replace("\n", " ")
    return None


def wait_for_answer(directory: Path, running: Callable[[], bool], deadline: float) -> bool:
    """True once the server answers; False when it is not `running` any more, or at `deadline` (monotonic)."""
    while refusal(directory, MAINTENANCE):
        if not running() or time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


def is_durable(directory: Path) -> bool:
    """Whether the server waits for the disk, as one not started for tests does."""
    with _connect(directory, MAINTENANCE) as connection:
        row = connection.execute("SHOW fsync").fetchone()
    return row == ("on",)


def create_missing_database(directory: Path) -> None:
    """Make sure that the project's database exists."""
    with _connect(directory, MAINTENANCE) as connection:
        # The server may still be busy with this very request from a launcher that was killed since.
        connection.execute("SELECT pg_advisory_lock(1)")
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
            connection.execute("CREATE DATABASE rainymodel")


def _connect(directory: Path, database: str) -> psycopg.Connection:
    return psycopg.connect(address(directory, database), autocommit=True, connect_timeout=5)
