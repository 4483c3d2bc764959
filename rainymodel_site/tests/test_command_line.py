"""manage.py as it is called in a clone: with any Python, and with an embedded Postgres that lets it wait."""

import fcntl
import os
import shutil
import sys
from pathlib import Path

from rainymodel_site import env
from rainymodel_site.tests.running import finished, program, python

BARE = (sys.executable, "-I", "-S")  # a Python without any library


def copied(directory: Path) -> str:
    """A checkout that holds manage.py alone."""
    return shutil.copy(env.PROJECT / "manage.py", directory)


def test_it_can_be_called_by_its_name():
    assert os.access(env.PROJECT / "manage.py", os.X_OK)


def test_a_python_without_the_libraries_goes_on_in_the_checkouts_own(tmp_path):
    own = tmp_path / ".venv/bin/python"
    own.parent.mkdir(parents=True)
    own.write_text('#!/bin/sh\necho "own python:" "$@"\n')
    own.chmod(0o755)
    script = copied(tmp_path)

    with program(*BARE, script, "create_key", "two words") as process:
        assert finished(process) == (0, f"own python: {script} create_key two words\n", "")


def test_without_an_installation_one_sentence_says_what_to_do(tmp_path):
    with program(*BARE, copied(tmp_path), "check") as process:
        code, _, errors = finished(process)

    assert code == 1
    assert (
        errors == "The libraries are not installed yet: run `make run` first, which puts them into .venv.\n"
    )


def test_a_postgres_that_lets_a_command_wait_is_named(tmp_path):
    root = tmp_path / "postgres"
    root.mkdir()
    with (root / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # as a launcher whose server is dead holds it
        settings = {
            "RAINYMODEL_ENV": "development", "DATABASE_URL": "", "RAINYMODEL_STATE_DIR": str(tmp_path),
        }  # fmt: skip
        with python("manage.py", "check", **settings) as process:
            assert (
                process.stderr.readline()
                == f"Waiting for the embedded Postgres under {root}, for up to a minute.\n"
            )
