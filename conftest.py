"""The whole suite runs on an embedded Postgres of its own, in development mode, blind to the user's environment.

Everything happens when this file is imported: Django's settings are read from the environment right afterwards. Under
xdist the first process starts the server; the workers inherit the environment, and each has its own database in it.
"""

import atexit
import os
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import certifi
import django
from django.db import connection

from rainymodel_site import env
from rainymodel_site.postgres import EmbeddedPostgres, PostgresError

PREPARED = "RAINYMODEL_TESTS_PREPARED"  # names the session's directory, set for xdist's workers
PREFIX = "rainymodel-tests-"
ABANDONED = 900.0  # seconds; an older directory without an owner was left by a killed run
END = "-----END CERTIFICATE-----\n"
BYTECODE = Path(__file__).parent / "build" / "bytecode"
# What follows a flush would make the same rows again.
ALWAYS_THERE = {"django_content_type", "auth_permission"}


def prepare_session() -> None:
    """Start the server and say in the environment where everything is."""
    remove_abandoned()
    root = Path(tempfile.mkdtemp(prefix=PREFIX))
    server = EmbeddedPostgres(root / "postgres", durable=False)
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    atexit.register(server.stop)
    server.start()
    # Empty rather than removed: a .env in the checkout must not fill them either.
    os.environ.update(dict.fromkeys(env.DECLARED, ""))
    os.environ["RAINYMODEL_ENV"] = env.DEVELOPMENT
    os.environ["RAINYMODEL_STATE_DIR"] = str(root / "state")
    os.environ["DATABASE_URL"] = server.dsn
    os.environ["DJANGO_SETTINGS_MODULE"] = "rainymodel_site.settings"
    os.environ["SSL_CERT_FILE"] = str(one_authority(root))
    if sys.dont_write_bytecode:
        keep_bytecode()
    os.environ[PREPARED] = str(root)


def keep_bytecode() -> None:
    """Where Python is told to write no bytecode, the tests keep theirs apart: the suite starts hundreds of processes,
    and each would compile Django and all else anew, for seconds.
    """
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(BYTECODE)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(BYTECODE)


def one_authority(root: Path) -> Path:
    """One of the world's certificate authorities. No test asks anybody outside, and an HTTP client, of which there are
    thousands, takes 25 ms to read them all.
    """
    path = root / "authority.pem"
    path.write_text(Path(certifi.where()).read_text().partition(END)[0] + END)
    return path


def remove_abandoned() -> None:
    """Stop servers and remove directories that killed runs left behind."""
    for root in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with suppress(OSError, PostgresError):
            if root.stat().st_uid == os.geteuid() and time.time() - root.stat().st_mtime > ABANDONED:
                server = EmbeddedPostgres(root / "postgres", durable=False)
                server.start()
                if server.owned:  # nobody else does, so whoever started it is gone
                    server.stop()
                    shutil.rmtree(root)


def delete_rows(operations: Any, style: Any, tables: list[str], **_: Any) -> list[str]:
    """What empties the tables after a test that commits. Django's TRUNCATE makes hundreds of files anew where a few
    rows can go; neither triggers nor references are asked.
    """
    from gateway.traffic.tables import FAMILIES

    sums = [table.name for family in FAMILIES for table in family.tables]  # no models stand for these
    names = [operations.quote_name(table) for table in (*tables, *sums) if table not in ALWAYS_THERE]
    asked = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names)
    with operations.connection.cursor() as cursor:
        cursor.execute(asked)
        deletes = [f"DELETE FROM {name}" for (name,) in cursor.fetchall()]
    return ["SET LOCAL session_replication_role = replica", *deletes]


if PREPARED not in os.environ:
    prepare_session()
django.setup()
type(connection.ops).sql_flush = delete_rows
