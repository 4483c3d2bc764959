"""Which PostgreSQL runs: the wheel's, else the newest that the system has."""

from pathlib import Path

import pytest

from rainymodel_site.postgres import PostgresError
from rainymodel_site.postgres.binaries import Binaries, find_binaries


def imitation(directory: Path, version: str) -> Path:
    directory.mkdir(parents=True)
    for program in ("postgres", "initdb"):
        (directory / program).write_text(f"#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n")
        (directory / program).chmod(0o755)
    return directory


def test_the_newest_of_the_first_group_is_chosen(tmp_path: Path) -> None:
    wheel = [imitation(tmp_path / "wheel/16", "16.14"), imitation(tmp_path / "wheel/18", "18.4")]
    system = [imitation(tmp_path / "system/19", "19.0 (Debian 19.0-1)")]

    assert find_binaries([wheel, system]) == Binaries(wheel[1], (18, 4))
    assert find_binaries([[], system]) == Binaries(system[0], (19, 0))


def test_what_does_not_run_or_is_too_old_is_passed_over(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "initdb").touch()
    old = imitation(tmp_path / "old", "13.9")
    system = imitation(tmp_path / "system", "15.18")
    assert find_binaries([[broken, tmp_path / "absent", old], [system]]).directory == system


def test_without_any_postgresql_the_user_is_told_what_to_do() -> None:
    with pytest.raises(PostgresError, match=r"requirements\.txt.*postgresql package.*DATABASE_URL"):
        find_binaries([[], []])
