"""The whole suite runs on an embedded Postgres of its own, in development mode, blind to the user's environment.

Everything happens when this file is imported: Django's settings are read from the environment right afterwards. Under
xdist the first process starts the server; the workers inherit the environment, and each has its own database in it.
"""

import atexit
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import django

from rainymodel_site import env
from rainymodel_site.postgres import EmbeddedPostgres, PostgresError

PREPARED = "RAINYMODEL_TESTS_PREPARED"  # names the session's directory, set for xdist's workers
PREFIX = "rainymodel-tests-"
ABANDONED = 900.0  # seconds; an older directory without an owner was left by a killed run


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
    os.environ[PREPARED] = str(root)


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


if PREPARED not in os.environ:
    prepare_session()
django.setup()
