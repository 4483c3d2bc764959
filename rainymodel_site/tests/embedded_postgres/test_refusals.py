"""What cannot be served is refused in a sentence, and left as it was."""

from pathlib import Path

import pytest

from rainymodel_site.postgres import EmbeddedPostgres, PostgresError
from rainymodel_site.postgres.account import account_for
from rainymodel_site.tests.embedded_postgres.processes import run


def test_data_of_another_version_is_refused_and_left_alone(root: Path) -> None:
    (root / "data/PG_VERSION").write_text("16\n")
    with pytest.raises(PostgresError, match=r"written by PostgreSQL 16, .* is 18: dump it"):
        EmbeddedPostgres(root).start()
    (root / "data/PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(root, durable=False) as server:
        assert run(server, "SELECT value FROM kept") == 42


def test_a_directory_with_other_files_is_refused(home: Path) -> None:
    (home / "postgres/data").mkdir(parents=True)
    (home / "postgres/data/letter.txt").write_text("dear diary")
    account_for(home / "postgres/absent").give(home / "postgres/data")
    with pytest.raises(PostgresError, match="holds something else than PostgreSQL data"):
        EmbeddedPostgres(home / "postgres").start()
    assert (home / "postgres/data/letter.txt").read_text() == "dear diary"


def test_a_failed_start_ends_with_the_servers_own_words_and_can_be_repeated(root: Path) -> None:
    conf = root / "data/postgresql.conf"
    good = conf.read_text()
    conf.write_text(good + "\nno_such_setting = 1\n")
    server = EmbeddedPostgres(root, durable=False)
    with pytest.raises(PostgresError, match=r"did not start(.|\n)*no_such_setting"):
        server.start()
    assert not server.owned

    conf.write_text(good)
    with EmbeddedPostgres(root, durable=False) as repaired:
        assert run(repaired, "SELECT value FROM kept") == 42


def test_a_state_directory_that_is_a_file_is_one_sentence(home: Path) -> None:
    (home / "var").write_text("not a directory")
    with pytest.raises(PostgresError, match="is not usable"):
        EmbeddedPostgres(home / "var/postgres").start()


def test_the_address_of_a_server_below_a_long_path_is_unknown_before_its_start(home: Path) -> None:
    with pytest.raises(PostgresError, match="no server has been started"):
        EmbeddedPostgres(home / ("long" * 30)).dsn  # noqa: B018
