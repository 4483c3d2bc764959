"""`manage.py services` with a stand-in for Open WebUI: started, kept alive, stopped, and never mistaken for another."""

import io
import json
import os
import re
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import pytest
from django.core.management import CommandError, call_command

from bench.ports import free_port
from rainymodel_site import env
from rainymodel_site.listening import listen
from rainymodel_site.local_services.processes import birth
from rainymodel_site.local_services.records import Record, read_record, write_record
from rainymodel_site.tests.running import eventually, fetch, finished, is_alive, python

NAME = "open-webui"


@dataclass(frozen=True)
class Ground:
    """A state directory and an environment with the stand-in on the PATH."""

    state: Path
    settings: dict[str, str]

    def services(self, *words: str, **more: str) -> tuple[int, str, str]:
        """The command within this process: exit code, output and errors."""
        said = io.StringIO()
        with patch.dict(os.environ, self.settings | more):
            try:
                call_command("services", *words, stdout=said)
            except CommandError as error:
                return 1, said.getvalue(), str(error)
            except SystemExit as end:
                return int(end.code), said.getvalue(), ""
        return 0, said.getvalue(), ""

    def shell(self, *words: str, **more: str) -> tuple[int, str, str]:
        """The command as a shell runs it."""
        with python("manage.py", "services", *words, **self.settings, **more) as process:
            return finished(process, within=60)

    def started(self, **more: str) -> Record:
        code, said, errors = self.services("start", NAME, **more)
        assert (code, errors) == (0, ""), said + errors
        return self.record()

    def record(self) -> Record:
        return read_record(self.pid_file)

    @property
    def pid_file(self) -> Path:
        return self.state / f"services/{NAME}.pid"

    @property
    def log(self) -> str:
        return (self.state / f"services/{NAME}.log").read_text()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings['OPENWEBUI_PORT']}"

    def row(self, **more: str) -> tuple[int, list[str]]:
        """The exit code of `status`, and what it says of the stand-in."""
        code, said, _ = self.services("status", NAME, **more)
        return code, re.split(r" {2,}", said.splitlines()[1])


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    programs, state = tmp_path / "bin", tmp_path / "state"
    programs.mkdir()
    program = programs / NAME
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" "{env.PROJECT}/rainymodel_site/tests/stand_in.py" "$@"\n'
    )
    program.chmod(0o755)
    settings = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "RAINYMODEL_STATE_DIR": str(state),
        "PORT": str(free_port()),
        "OPENWEBUI_PORT": str(free_port()),
        "OPENWEBUI_API_KEY": "sk-rm_of-the-test",
    }
    made = Ground(state, settings)
    yield made
    end(made)


def end(ground: Ground) -> None:
    """Whatever a test has left running."""
    record = ground.record() if ground.pid_file.exists() else None
    if record and record.keeper_runs():
        os.kill(record.pid, signal.SIGKILL)
    if record and record.child_runs():
        with suppress(ProcessLookupError):
            os.killpg(record.child, signal.SIGKILL)


def test_a_life_from_start_to_stop(ground):
    code, said, errors = ground.shell("start", NAME)
    assert (code, errors) == (0, "")
    assert f"open-webui serves at {ground.url}" in said
    first = ground.record()

    code, row = ground.row()
    assert (code, row[:3], row[4:]) == (0, [NAME, "running", str(first.child)], [ground.url, "0", "ready"])

    os.kill(first.child, signal.SIGKILL)
    second = eventually(lambda: (found := ground.record()).child not in {0, first.child} and found)
    eventually(lambda: fetch(f"{ground.url}/health"))
    assert (second.pid, second.restarts, second.last_end) == (first.pid, 1, "was ended by SIGKILL")
    assert ground.row()[1][5:] == ["1", "ready"]

    assert ground.shell("status", NAME)[0] == 0
    code, said, _ = ground.shell("stop", NAME)
    assert code == 0
    assert re.match(r"open-webui stopped after \d+\.\d s", said)
    assert not is_alive(first.pid) and not is_alive(second.child)
    assert not ground.pid_file.exists()
    code, row = ground.row()
    assert (code, row[1]) == (3, "stopped")
    assert ground.shell("status", NAME)[0] == 3


def test_it_has_left_the_terminal(ground):
    record = ground.started()

    assert os.getsid(record.pid) == record.pid != os.getsid(0)
    assert os.getpgid(record.child) == record.child


def test_a_hang_up_leaves_the_keeper_alone_and_is_the_services_own_to_hear(ground):
    record = ground.started()
    os.kill(record.pid, signal.SIGHUP)
    ignored = re.search(r"SigIgn:\t(\w+)", Path(f"/proc/{record.child}/status").read_text())[1]

    assert int(ignored, 16) & 1 << (signal.SIGHUP - 1) == 0
    assert ground.services("stop", NAME)[1].startswith("open-webui stopped")


def test_a_second_start_is_a_friendly_nothing(ground):
    first = ground.started()
    code, said, errors = ground.services("start", NAME)

    assert (code, errors) == (0, "")
    assert said.strip() == f"open-webui runs already (process {first.child})."
    assert ground.record() == first


def test_stopping_what_does_not_run_is_a_friendly_nothing(ground):
    assert ground.services("stop") == (0, "open-webui does not run.\ngateway does not run.\n", "")


def test_a_restart_is_another_process(ground):
    first = ground.started()
    code, said, _ = ground.services("restart", NAME)

    assert code == 0
    assert "open-webui stopped" in said and "open-webui serves" in said
    assert ground.record().child != first.child
    assert not is_alive(first.child)


def test_open_webui_gets_the_gateway_and_its_own_database_and_none_of_our_secrets(ground):
    given = {
        "OPENWEBUI_DB_PASSWORD": "p@ss word",
        "OPENWEBUI_DB_HOST": "db.example",
        "OPENWEBUI_ADMIN_DATABASE_URL": "postgresql://boss@db.example/postgres",
        "WEBUI_AUTH": "False",
    }
    ground.started(**given)
    environment = json.loads((ground.state / NAME / "environment.json").read_text())

    assert environment["OPENAI_API_BASE_URL"] == f"http://127.0.0.1:{ground.settings['PORT']}/v1"
    assert environment["OPENAI_API_KEY"] == "sk-rm_of-the-test"
    assert environment["DATABASE_URL"] == "postgresql://openwebui:p%40ss%20word@db.example:5432/openwebui"
    assert environment["DATA_DIR"] == str(ground.state / NAME)
    assert environment["WEBUI_AUTH"] == "False"
    assert environment["PORT"] == ground.settings["OPENWEBUI_PORT"]
    theirs = {"OPENAI_API_KEY", "DATABASE_URL", "HOST", "PORT"}
    assert (set(env.DECLARED) - theirs) & set(environment) == set()


def test_without_a_password_open_webui_keeps_its_own_file(ground):
    ground.started()

    assert "DATABASE_URL" not in json.loads((ground.state / NAME / "environment.json").read_text())


def test_pid_file_and_log_are_the_owners_alone(ground):
    ground.started()

    for name in (f"{NAME}.pid", f"{NAME}.log"):
        assert stat.S_IMODE((ground.state / "services" / name).stat().st_mode) == 0o600


def test_a_service_that_does_not_stop_is_killed_and_it_is_said(ground):
    record = ground.started(STAND_IN_MOOD="deaf", OPENWEBUI_STOP_SECONDS="0.5")
    code, said, _ = ground.services("stop", NAME)

    assert code == 0
    assert re.match(r"open-webui did not stop in time and was killed after \d+\.\d s\.$", said.strip())
    assert not is_alive(record.child)
    assert "did not stop within 0.5 s and is killed" in ground.log


def test_a_port_in_use_ends_the_start_with_the_end_of_the_log(ground):
    with listen("127.0.0.1", int(ground.settings["OPENWEBUI_PORT"])):
        code, _, errors = ground.services("start", NAME)

    assert code == 1
    assert "open-webui ended with exit code 1" in errors
    assert "Address already in use" in errors
    assert not ground.pid_file.exists()
    assert ground.log.splitlines()[-1].endswith("open-webui is not started again: it was told to stop")


def test_another_program_that_answers_on_the_port_is_not_taken_for_the_service(ground):
    ground.started()
    other = replace(ground, state=ground.state.parent / "other")
    settings = ground.settings | {"RAINYMODEL_STATE_DIR": str(other.state)}
    other = replace(other, settings=settings)
    code, _, errors = other.services("start", NAME)

    assert code == 1
    assert "Address already in use" in errors
    assert other.row()[1][-1] == "another program answers there"


def test_a_program_that_breaks_ends_the_start_with_its_words(ground):
    code, _, errors = ground.services("start", NAME, STAND_IN_MOOD="broken")

    assert code == 1
    assert errors.startswith("open-webui ended with exit code 1.")
    assert "a library is missing" in errors


def test_a_service_that_is_not_ready_in_time_goes_on(ground):
    code, _, errors = ground.services("start", NAME, "--wait", "2", STAND_IN_MOOD="ill")

    assert code == 1
    assert "runs but is not ready yet: answers 503" in errors
    code, row = ground.row()
    assert (code, row[1], row[-1]) == (1, "running", "answers 503")


def test_a_stale_pid_file_is_told_removed_and_no_obstacle(ground):
    first = ground.started()
    os.kill(first.pid, signal.SIGKILL)
    os.killpg(first.child, signal.SIGKILL)
    eventually(lambda: not first.keeper_runs() and not first.child_runs())

    code, row = ground.row()
    assert (code, row[1]) == (1, "crashed")
    assert ground.services("stop", NAME)[1].strip() == "open-webui does not run; its old pid file is removed."
    assert not ground.pid_file.exists()
    write_record(ground.pid_file, first)
    assert ground.started().pid != first.pid


def test_a_service_whose_keeper_was_killed_is_stopped_before_the_next_start(ground):
    first = ground.started()
    os.kill(first.pid, signal.SIGKILL)
    eventually(lambda: not first.keeper_runs())

    code, row = ground.row()
    assert (code, row[1], row[-1]) == (1, "crashed", "left alone by its keeper")
    second = ground.started()
    assert not is_alive(first.child)
    assert second.child != first.child


@pytest.mark.parametrize("same_birth", [False, True], ids=["number reused", "wrong token"])
def test_another_programs_process_is_never_signalled(ground, same_birth):
    ground.pid_file.parent.mkdir(parents=True)
    with python("-c", "import time; time.sleep(60)") as stranger:
        born = birth(stranger.pid) if same_birth else "another-boot/1"
        write_record(
            ground.pid_file,
            Record(stranger.pid, born, "0123456789abcdef", 1.0, stranger.pid, "another-boot/1"),
        )

        assert "old pid file is removed" in ground.services("stop", NAME)[1]
        assert stranger.poll() is None
    assert not ground.pid_file.exists()


@pytest.mark.parametrize("text", ["", "1\n", "[]", '{"pid": "1"}'], ids=["empty", "number", "list", "half"])
def test_a_pid_file_that_says_nothing_is_no_obstacle(ground, text):
    ground.pid_file.parent.mkdir(parents=True)
    ground.pid_file.write_text(text)

    assert ground.services("stop", NAME) == (0, "open-webui does not run.\n", "")
    assert not ground.pid_file.exists()


def test_logs_shows_the_end_of_what_was_printed(ground):
    record = ground.started()
    eventually(lambda: "asked for /health" in ground.log)
    code, said, _ = ground.services("logs", NAME, "--lines", "1000")

    assert code == 0
    assert said.startswith(f"==> {ground.state / 'services' / NAME}.log\nstand-in, process {record.child}\n")
    assert ground.services("logs", NAME, "--lines", "1")[1].splitlines()[1:] == ["asked for /health"]


def test_open_webui_that_is_not_installed_is_told_with_what_to_do(ground):
    code, _, errors = ground.services("start", NAME, OPENWEBUI_COMMAND="no-such-program")

    assert code == 1
    assert "Open WebUI is not installed: `pip install open-webui`" in errors
    assert ground.row(OPENWEBUI_COMMAND="no-such-program")[1][1] == "not installed"


def test_a_database_that_is_down_is_told_without_its_password(ground):
    ground.started()
    url = f"postgresql://user:hunter2@127.0.0.1:{free_port()!s}/rainymodel"
    code, said, errors = ground.services("status", NAME, DATABASE_URL=url)

    assert code == 1
    assert re.search(r"^database  does not answer: .*refused", said, re.MULTILINE)
    assert "hunter2" not in said + errors


def test_a_database_that_answers_is_told_with_its_version_and_time(ground):
    said = ground.services("status", NAME)[1]

    assert re.search(r"^database  rainymodel answers in \d+ ms, PostgreSQL \d+", said, re.MULTILINE)
