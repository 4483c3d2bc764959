"""What the trials stand on: a gateway as production runs it, supervised, with an upstream and a Postgres of its own."""

import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg.rows import dict_row

from bench.gateway import (
    LEDGER,
    PREPARE_SECONDS,
    first_words,
    free_port,
    gateway_environment,
    process,
    wait_until_ready,
)
from bench.loads import CannotMeasure, last_line
from bench.measure import children
from bench.reliability.catalogue import catalogue
from rainymodel_site.env import PROJECT
from rainymodel_site.postgres import EmbeddedPostgres

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Ground:
    """Everything that runs, on loopback."""

    port: int
    key: str
    supervisor: subprocess.Popen[bytes]
    upstream_port: int
    dsn: str
    postgres: Path
    environment: dict[str, str] = field(repr=False)

    @property
    def url(self) -> str:
        """Where the gateway listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def upstream(self) -> str:
        """The upstream's base URL."""
        return f"http://127.0.0.1:{self.upstream_port}/v1"

    @property
    def headers(self) -> dict[str, str]:
        """What a client sends to be let in."""
        return {"Authorization": f"Bearer {self.key}"}

    def workers(self) -> list[int]:
        """The process ids of the gateway's workers."""
        return children(self.supervisor.pid)

    def postgres_pid(self) -> int:
        """The process id of the postmaster, as its pid file has it."""
        (file,) = self.postgres.rglob("postmaster.pid")
        return int(file.read_text().splitlines()[0])

    def hits(self) -> dict[str, int]:
        """How many requests the upstream has seen, by model."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.upstream_port, timeout=5)) as connection:
            connection.request("GET", LEDGER)
            return dict(json.loads(connection.getresponse().read())["hits"])

    def query(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """What the gateway's database answers."""
        with psycopg.connect(self.dsn, autocommit=True, row_factory=dict_row) as connection:
            return connection.execute(sql, values).fetchall()

    def wait_for_rows(self, condition: str, count: int, seconds: float = 20.0) -> int:
        """How many log rows fulfil the condition, once there are so many or the time is over."""
        until = time.monotonic() + seconds
        while True:
            (found,) = self.query(f"SELECT count(*) AS rows FROM gateway_requestlog WHERE {condition}")
            if found["rows"] >= count or time.monotonic() > until:
                return int(found["rows"])
            time.sleep(0.1)


@contextmanager
def ground(workers: int = 2, environment: Mapping[str, str] = NOTHING) -> Iterator[Ground]:
    """Start all of it in a temporary directory; stop and remove all of it at the end of the block."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rainymodel-trial-")))
        database = stack.enter_context(EmbeddedPostgres(root / "postgres"))
        upstream = stack.enter_context(process("-m", "gateway.upstream.scripted", "--with-parent"))
        base_url = json.loads(first_words(upstream))["base_url"]
        port = free_port()
        settings = gateway_environment(root / "state", database.dsn, port)
        settings |= {"WEB_WORKERS": str(workers), "RAINYMODEL_REQUEST_LINES": "false", **environment}
        key = prepared(catalogue(base_url), settings)
        log = root / "gateway.log"
        output = stack.enter_context(log.open("wb"))
        server = stack.enter_context(process("manage.py", "serve", environment=settings, output=output))
        wait_until_ready(server, port, log)
        upstream_port = int(base_url.split(":")[2].split("/")[0])
        yield Ground(port, key, server, upstream_port, database.dsn, root / "postgres", settings)


def prepared(rows: Mapping[str, Any], environment: Mapping[str, str]) -> str:
    """Fill the database; the API key."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.prepare", "--catalogue"],
        input=json.dumps(rows),
        cwd=PROJECT,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=PREPARE_SECONDS,
        check=False,
    )
    if done.returncode:
        raise CannotMeasure(f"The database could not be prepared: {last_line(done.stderr)}")
    return done.stdout.split()[-1]
