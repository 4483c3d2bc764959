"""Long and odd paths: a Unix socket's name is short, and libpq reads some characters its own way."""

import stat
from pathlib import Path

import pytest

from rainymodel_site.postgres import EmbeddedPostgres, running
from rainymodel_site.tests.embedded_postgres.processes import run, socket_directory


def test_below_a_long_path_the_socket_moves_to_a_short_private_directory(home: Path, root: Path) -> None:
    deep = home / ("a" * 60) / ("b" * 60)
    deep.parent.mkdir()
    root.rename(deep)
    with EmbeddedPostgres(deep, durable=False) as server:
        directory = socket_directory(server)
        assert len(str(directory / ".s.PGSQL.5432")) < 104
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        guest = running(deep)
        assert guest
        assert run(guest, "SELECT value FROM kept") == 42
    assert not directory.exists()
    assert running(deep) is None


def test_a_recorded_socket_directory_that_others_can_enter_is_not_trusted(home: Path, root: Path) -> None:
    deep = home / ("a" * 60) / ("b" * 60)
    deep.parent.mkdir()
    root.rename(deep)
    planted = home / "planted"
    planted.mkdir()
    planted.chmod(0o755)
    (deep / "socket-directory").write_text(str(planted))
    with EmbeddedPostgres(deep, durable=False) as server:
        assert "planted" not in server.dsn
    assert planted.exists()


@pytest.mark.parametrize("name", ["a, b", "50% \"off\" 'now'", "blüte=1&x?y#z"])
def test_odd_characters_in_the_path_are_harmless(home: Path, root: Path, name: str) -> None:
    root.rename(home / name)
    with EmbeddedPostgres(home / name, durable=False) as server:
        assert run(server, "SELECT value FROM kept") == 42
