"""What the tests of the embedded Postgres do to processes: start, ask, kill."""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from rainymodel_site.postgres import EmbeddedPostgres

PROJECT = Path(__file__).resolve().parents[3]
LAUNCHER = """
import sys
from pathlib import Path
from rainymodel_site.postgres import EmbeddedPostgres

server = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
server.start()
try:
    print("owner" if server.owned else "guest", flush=True)
    sys.stdin.readline()
except KeyboardInterrupt:
    print("answers" if server.answers() else "silent", flush=True)
server.stop()
"""


def run(server: EmbeddedPostgres, statement: str) -> Any:
    """The first value that `statement` returns, if any."""
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        cursor = connection.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def socket_directory(server: EmbeddedPostgres) -> Path:
    """Where the server's address says that its socket is."""
    return Path(str(psycopg.conninfo.conninfo_to_dict(server.dsn)["host"]))


def server_pid(root: Path) -> int:
    """The server's process id."""
    return int((root / "data/postmaster.pid").read_text().split()[0])


def alive(pid: int) -> bool:
    """Whether a process exists and is more than an entry that nobody has collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def kill_server(root: Path) -> int:
    """End the server with SIGKILL; the process id it had."""
    pid = server_pid(root)
    os.kill(pid, signal.SIGKILL)
    return pid


def launcher(root: Path) -> "subprocess.Popen[str]":
    """Another process that starts the server, and stops it when its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, os.fspath(root)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(PROJECT), *sys.path])},
        start_new_session=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def killed_launcher(root: Path) -> None:
    """Let another process start the server, and kill that process."""
    process = launcher(root)
    assert said(process) == "owner"
    process.kill()
    process.communicate(timeout=10)


def said(process: "subprocess.Popen[str]") -> str:
    """The next line that a launcher prints."""
    assert process.stdout
    return process.stdout.readline().strip()


def in_a_child(act: Callable[[], None]) -> int | None:
    """The exit code of a forked child that does `act`."""
    child = multiprocessing.get_context("fork").Process(target=act)
    child.start()
    child.join(30)
    return child.exitcode
