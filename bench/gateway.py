"""What is measured: a gateway worker as production runs it, with a Postgres, an upstream and a baseline of its own."""

import contextlib
import http.client
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from bench.cores import Cores, on
from bench.loads import CannotMeasure, last_line
from bench.measure import children
from bench.ports import free_port
from rainymodel_site.env import DECLARED, DEVELOPMENT, PROJECT
from rainymodel_site.postgres import EmbeddedPostgres

PREPARE_SECONDS = 120.0
READY_SECONDS = 60.0
STOP_SECONDS = 20.0
FLUSH_SECONDS = 15.0
LEDGER = "/__ledger__"


@dataclass(frozen=True, slots=True)
class Bench:
    """Everything that runs, on loopback: ports, the worker's and the baseline's process ids, the key, the database."""

    cores: Cores
    port: int
    key: str
    worker: int
    upstream_port: int
    baseline_port: int
    baseline: int
    dsn: str

    def upstream_requests(self) -> int:
        """How many chat completions the upstream has seen."""
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream_port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", LEDGER)
            return int(json.loads(connection.getresponse().read())["totals"]["requests"])

    def log_rows(self, expected: int) -> tuple[int, int]:
        """How many log rows there are, and of them with state `ok`, once there are as many as expected."""
        query = "SELECT count(*), count(*) FILTER (WHERE state = 'ok') FROM gateway_requestlog"
        until = time.monotonic() + FLUSH_SECONDS
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            while True:
                rows, good = connection.execute(query).fetchone() or (0, 0)
                if rows >= expected or time.monotonic() > until:
                    return rows, good
                time.sleep(0.1)


@contextmanager
def running_bench(cores: Cores) -> Iterator[Bench]:
    """Start all of it in a temporary directory; stop and remove all of it at the end of the block."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rainymodel-bench-")))
        with on(cores.others):
            database = stack.enter_context(EmbeddedPostgres(root / "postgres"))
            upstream = stack.enter_context(process("-m", "gateway.upstream.scripted", "--with-parent"))
            base_url = json.loads(first_words(upstream))["base_url"]
            port = free_port()
            environment = gateway_environment(root / "state", database.dsn, port)
            key = prepared(base_url, environment)
        with on(cores.worker):
            baseline = stack.enter_context(process("-m", "bench.baseline"))
            baseline_port = int(first_words(baseline))
            worker = stack.enter_context(gateway_worker(port, environment, root / "gateway.log"))
        yield Bench(
            cores=cores,
            port=port,
            key=key,
            worker=worker,
            upstream_port=int(base_url.split(":")[2].split("/")[0]),
            baseline_port=baseline_port,
            baseline=baseline.pid,
            dsn=database.dsn,
        )


def gateway_environment(state: Path, dsn: str, port: int) -> dict[str, str]:
    """The environment of a gateway that knows nothing of this shell's own RainyModel settings, nor of a .env file."""
    state.mkdir()
    return {
        **os.environ,
        **dict.fromkeys(DECLARED, ""),
        "DJANGO_SETTINGS_MODULE": "rainymodel_site.settings",
        "RAINYMODEL_ENV": DEVELOPMENT,
        "RAINYMODEL_STATE_DIR": str(state),
        "DATABASE_URL": dsn,
        "HOST": "127.0.0.1",
        "RAINYMODEL_FREE_PROBES": "false",
        "PORT": str(port),
        "WEB_WORKERS": "1",
    }


def prepared(upstream: str, environment: Mapping[str, str]) -> str:
    """Fill the database; the API key."""
    command = [sys.executable, "-m", "bench.prepare", upstream]
    try:
        done = subprocess.run(
            command,
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PREPARE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise CannotMeasure(f"The database was not prepared within {PREPARE_SECONDS:.0f} s.") from None
    if done.returncode:
        raise CannotMeasure(f"The database could not be prepared: {last_line(done.stderr)}")
    return done.stdout.split()[-1]


@contextmanager
def gateway_worker(port: int, environment: Mapping[str, str], log: Path) -> Iterator[int]:
    """`manage.py serve` with one worker; the worker's process id once it takes requests."""
    with (
        log.open("wb") as output,
        process("manage.py", "serve", environment=environment, output=output) as server,
    ):
        wait_until_ready(server, port, log)
        (worker,) = children(server.pid)
        yield worker


def wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Return when the gateway takes requests. Raises CannotMeasure with the last line of its log."""
    until = time.monotonic() + READY_SECONDS
    while not is_ready(port):
        if server.poll() is not None or time.monotonic() > until:
            raise CannotMeasure(f"The gateway did not become ready: {last_line(log.read_text())}")
        time.sleep(0.05)


@contextmanager
def process(
    *arguments: str, environment: Mapping[str, str] | None = None, output: object = subprocess.PIPE
) -> Iterator[subprocess.Popen[bytes]]:
    """A Python program in the project, told to stop at the end of the block."""
    errors = subprocess.STDOUT if output is not subprocess.PIPE else None
    started = subprocess.Popen(
        [sys.executable, *arguments], cwd=PROJECT, env=environment, stdout=output, stderr=errors
    )  # type: ignore[call-overload]
    try:
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        try:
            started.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()
        if started.stdout:
            started.stdout.close()


def first_words(started: subprocess.Popen[bytes]) -> bytes:
    """The first line of a program's output, which says where it listens."""
    assert started.stdout is not None
    spoken, _, _ = select.select([started.stdout], [], [], READY_SECONDS)
    line = started.stdout.readline() if spoken else b""
    if not line:
        raise CannotMeasure(f"{started.args!r} did not say where it listens.")
    return line


def is_ready(port: int) -> bool:
    """Whether GET /ready says 200."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
