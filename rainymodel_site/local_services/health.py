"""What a service says of itself over HTTP, and what the database says."""

import http.client
import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict

from rainymodel_site.local_services.definitions import Service
from rainymodel_site.preflight import database_refusal, first_line

READY, SILENT = "ready", "no answer"
PATIENCE = 3.0  # seconds
RAINYMODEL, LONGEST_ANSWER = "rainymodel", 1_000_000  # what GET /health calls itself, and bytes read of it
DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """One sentence without a password, and whether the database answers."""

    answers: bool
    sentence: str


def health(service: Service) -> str:
    """`ready`, `answers 503` (or another status), or `no answer`."""
    try:
        with DIRECTLY.open(service.address + service.health_path, timeout=PATIENCE):
            return READY
    except urllib.error.HTTPError as error:
        with error:
            return f"answers {error.code}"
    except (OSError, http.client.HTTPException):
        return SILENT


def is_rainymodel(service: Service) -> bool:
    """Whether a RainyModel answers at the service's address, whoever started it."""
    try:
        with DIRECTLY.open(service.address + "/health", timeout=PATIENCE) as answer:
            said = json.loads(answer.read(LONGEST_ANSWER))
    except (OSError, http.client.HTTPException, ValueError):
        return False
    return isinstance(said, dict) and said.get("service") == RAINYMODEL


def database_state(url: str) -> DatabaseState:
    """The gateway's database: its version and the milliseconds that it took, or why it does not answer."""
    if not url:
        return DatabaseState(False, "DATABASE_URL is not set, and the embedded Postgres does not run")
    if refusal := database_refusal(url):
        return DatabaseState(False, f"does not answer: {refusal}")
    began = time.perf_counter()
    try:
        with psycopg.connect(url, connect_timeout=5) as connection:
            row = connection.execute("SHOW server_version").fetchone()
    except psycopg.Error as error:
        return DatabaseState(False, f"does not answer: {first_line(error)}")
    took = (time.perf_counter() - began) * 1000
    name = conninfo_to_dict(url).get("dbname", "")
    return DatabaseState(True, f"{name} answers in {took:.0f} ms, PostgreSQL {row[0] if row else '?'}")
