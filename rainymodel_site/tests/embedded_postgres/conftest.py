"""Private directories with and without data for the tests of the embedded Postgres."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainymodel_site.postgres import EmbeddedPostgres, running
from rainymodel_site.tests.embedded_postgres.processes import run


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory of mode 0700 with a short path, like root's home; its server is stopped afterwards."""
    path = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    yield path
    for root in [found.parent for found in path.rglob("data")]:
        if running(root):
            with EmbeddedPostgres(root, durable=False):
                pass
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def template() -> Iterator[Path]:
    """A root whose data was created once: initdb takes longer than all the rest."""
    path = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    with EmbeddedPostgres(path / "postgres", durable=False) as server:
        run(server, "CREATE TABLE kept AS SELECT 42 AS value")
    yield path / "postgres"
    shutil.rmtree(path)


@pytest.fixture
def root(home: Path, template: Path) -> Path:
    """A root with data in it, and no server."""
    subprocess.run(["cp", "-pR", template, home / "postgres"], check=True)
    return home / "postgres"
