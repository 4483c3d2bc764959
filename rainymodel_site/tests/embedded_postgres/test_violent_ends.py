"""The launcher or the server is killed: the next start finds the data, and harms no one else."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import psycopg

from rainymodel_site.postgres import EmbeddedPostgres, running
from rainymodel_site.postgres.account import account_for
from rainymodel_site.postgres.layout import Layout
from rainymodel_site.postgres.server import Server
from rainymodel_site.tests.embedded_postgres.processes import (
    alive,
    kill_server,
    killed_launcher,
    launcher,
    run,
    server_pid,
)


def test_the_server_of_a_killed_launcher_belongs_to_the_next_one(root: Path) -> None:
    killed_launcher(root)
    pid = server_pid(root)
    assert alive(pid)

    with EmbeddedPostgres(root, durable=False) as server:
        assert server.owned
        assert server_pid(root) == pid
        assert run(server, "SELECT value FROM kept") == 42
    assert not alive(pid)


def test_a_careless_server_that_was_left_behind_is_replaced_by_a_durable_one(root: Path) -> None:
    killed_launcher(root)

    with EmbeddedPostgres(root, durable=True) as server:
        assert run(server, "SHOW fsync") == "on"


def test_data_survives_a_killed_server(root: Path) -> None:
    server = EmbeddedPostgres(root)
    server.start()
    run(server, "INSERT INTO kept VALUES (43)")
    first = kill_server(root)

    server.start()
    assert server.owned
    assert server_pid(root) != first
    assert run(server, "SELECT sum(value) FROM kept") == 85
    server.stop()


def test_a_start_waits_for_the_busy_children_of_a_killed_server(root: Path) -> None:
    server = EmbeddedPostgres(root)
    server.start()
    connection = psycopg.connect(server.dsn)
    busy = threading.Thread(target=query_until_cut_off, args=[connection])
    busy.start()
    while run(server, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT count%spin%'") < 2:
        time.sleep(0.01)
    kill_server(root)

    server.start()
    assert run(server, "SELECT value FROM kept") == 42
    busy.join()
    server.stop()


def query_until_cut_off(connection: psycopg.Connection) -> None:
    with contextlib.suppress(psycopg.Error):  # it may be told that its server is gone
        connection.execute("SELECT count(*) AS spin FROM generate_series(1, 8000000) a WHERE a % 7 = 3")
    connection.close()


def test_a_pid_file_that_names_an_unrelated_process_is_overcome(root: Path) -> None:
    account = account_for(root / "data")
    server = EmbeddedPostgres(root)
    server.start()
    kill_server(root)
    server.stop()
    stranger = subprocess.Popen(["sleep", "60"], cwd="/", **account.switch())
    for file in (root / "data/postmaster.pid", root / "data/.s.PGSQL.5432.lock"):
        text = file.read_text().split("\n", 1)
        file.write_text(f"{stranger.pid}\n{text[1]}")

    with EmbeddedPostgres(root) as server:
        assert run(server, "SELECT value FROM kept") == 42
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_process_that_inherited_the_number_of_a_lost_server_is_not_stopped(root: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"], cwd="/")
    (root / "data/postmaster.pid").write_text(f"{stranger.pid}\n")

    Server(Layout(root), root / "data", stranger.pid).stop()
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_first_start_that_was_cut_short_is_done_again(home: Path) -> None:
    unfinished = home / "postgres/data.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(home / "postgres", durable=False) as server:
        assert run(server, "SELECT 1") == 1
    assert not unfinished.exists()


def test_a_server_that_a_killed_launcher_was_stopping_is_replaced(root: Path) -> None:
    killed_launcher(root)
    pid = server_pid(root)
    with psycopg.connect(running_address(root)) as connection:
        connection.execute("SELECT 1")  # an open transaction: a smart shutdown waits for it
        os.kill(pid, signal.SIGTERM)
        release = threading.Timer(0.3, connection.close)
        release.start()
        with EmbeddedPostgres(root, durable=False) as server:
            assert server_pid(root) != pid
            assert run(server, "SELECT value FROM kept") == 42


def running_address(root: Path) -> str:
    found = running(root)
    assert found
    return found.dsn


def test_a_start_during_recovery_keeps_the_same_server(root: Path) -> None:
    with EmbeddedPostgres(root, durable=False) as server:
        pid = server_pid(root)
        os.kill(
            run(server, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walwriter'"), signal.SIGKILL
        )
        server.start()
        assert server_pid(root) == pid
        assert run(server, "SELECT value FROM kept") == 42
    assert not Path(f"/proc/{pid}").exists()


def test_a_launcher_may_be_killed_at_any_moment_of_its_start(root: Path) -> None:
    for moment in (0.15, 0.2, 0.25, 0.3, 0.35):
        with EmbeddedPostgres(root, durable=False) as server:
            psycopg.connect(server.dsn_for("postgres"), autocommit=True).execute("DROP DATABASE rainymodel")
        process = launcher(root)
        time.sleep(moment)
        process.kill()
        process.communicate(timeout=10)

    with EmbeddedPostgres(root, durable=False) as server:
        assert run(server, "SELECT current_database()") == "rainymodel"
