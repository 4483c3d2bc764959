"""Which Postgres to use: DATABASE_URL, or the embedded one under the state directory."""

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from rainymodel_site import env
from rainymodel_site.postgres import EmbeddedPostgres, PostgresError

SLOW = 2.5  # seconds of silence before it is said what is being waited for
WRITER = "read-write"  # libpq: not a replica, nor any other server that refuses writes
UNREADABLE = "DATABASE_URL is not a URL that Postgres understands (postgresql://…)."
NEEDS_NONE = "services"  # what it starts looks for a database itself, and lives longer than the command


@contextmanager
def database_at_hand(command: Sequence[str]) -> Iterator[None]:
    """Make DATABASE_URL name a Postgres that answers, for as long as the block lasts; `command` is what runs in it.

    Without DATABASE_URL the embedded server is attached to, or started and stopped again. In production a missing
    DATABASE_URL ends the start.
    """
    env.load_dotenv(env.PROJECT / ".env")
    if env.text("DATABASE_URL") or list(command[:1]) == [NEEDS_NONE]:
        yield
        return
    if env.mode() == env.PRODUCTION:
        raise env.ConfigurationError(
            "DATABASE_URL is not set; production needs a Postgres (or set RAINYMODEL_ENV=development)."
        )
    root = env.path("RAINYMODEL_STATE_DIR") / "postgres"
    server = EmbeddedPostgres(root)
    try:
        with said_when_slow(f"Waiting for the embedded Postgres under {root}, for up to a minute."):
            server.start()
    except PostgresError as error:
        raise env.ConfigurationError(f"The embedded Postgres did not start: {error}") from None
    os.environ["DATABASE_URL"] = server.dsn
    try:
        yield
    finally:
        server.stop()


@contextmanager
def said_when_slow(sentence: str, after: float = SLOW) -> Iterator[None]:
    """Say on stderr what is being waited for, once the block has taken `after` seconds."""
    timer = threading.Timer(after, sys.stderr.write, [f"{sentence}\n"])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def database_url() -> str:
    """DATABASE_URL, or in development the embedded server's while it runs; empty without either."""
    given = env.text("DATABASE_URL")
    if given or env.mode() == env.PRODUCTION:
        return given
    server = EmbeddedPostgres(env.path("RAINYMODEL_STATE_DIR") / "postgres")
    return server.dsn if server.answers() else ""


def writer_dsn() -> str:
    """The same for the gateway's own connections: always to the server that takes writes.

    Of several hosts a replica is skipped, and a server that was demoted counts as one that does not answer: what
    keys may do, what was spent and what is published is never read from a copy that lags.
    """
    url = env.text("DATABASE_URL") or "postgresql:///rainymodel"
    try:
        attributes = conninfo_to_dict(url).get("target_session_attrs")
    except psycopg.ProgrammingError:
        raise env.ConfigurationError(UNREADABLE) from None
    return url if attributes else make_conninfo(url, target_session_attrs=WRITER)


def django_database() -> dict[str, Any]:
    """DATABASE_URL as one entry of Django's DATABASES; a URL that libpq cannot read ends the start."""
    url = env.text("DATABASE_URL") or "postgresql:///rainymodel"
    try:
        parts: dict[str, Any] = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise env.ConfigurationError(UNREADABLE) from None
    entry = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.pop("dbname", "rainymodel"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "CONN_MAX_AGE": 0,
    }
    parts.setdefault("target_session_attrs", WRITER)
    parts.setdefault("sslmode", env.text("DATABASE_TLS"))
    parts["pool"] = {"min_size": 0, "max_size": 8, "timeout": 5}
    return {**entry, "OPTIONS": parts}
