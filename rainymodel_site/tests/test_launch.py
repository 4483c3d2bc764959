"""`make run`'s launcher: from an empty state directory to an answer, kept over a restart, gone after a stop."""

import json
import os
import re
import shlex
import signal
import stat
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.ports import free_port
from rainymodel_site.postgres import running as postgres_running
from rainymodel_site.tests.running import fetch, finished, is_alive, python

READY = "(ready after"


@dataclass
class Run:
    """One run of the launcher that has come as far as its banner."""

    process: subprocess.Popen[str]
    banner: str

    def line(self, start: str) -> str:
        """The rest of the banner's line that begins like this."""
        return re.search(rf"^ *{re.escape(start)}(.*)$", self.banner, re.MULTILINE)[1].strip()

    @property
    def url(self) -> str:
        return self.line("RainyModel serves at")

    def stop(self, number: signal.Signals) -> tuple[int, str, str]:
        os.killpg(self.process.pid, number)
        return finished(self.process, within=20)


def launched(state: Path, **more: str):
    settings = {
        "RAINYMODEL_STATE_DIR": str(state),
        "DATABASE_URL": "",
        "RAINYMODEL_ENV": "",
        "PORT": str(free_port()),
    }
    return python("-m", "rainymodel_site.launch", **settings | more)


def read_banner(process: subprocess.Popen[str]) -> str:
    said = ""
    while READY not in said:
        line = process.stdout.readline()
        assert line, said + process.stderr.read()
        said += line
    return said


@pytest.fixture(scope="module")
def state(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("launch") / "state"


@pytest.fixture(scope="module")
def first(state: Path) -> Iterator[Run]:
    with launched(state) as process:
        yield Run(process, read_banner(process))


def test_the_pasted_line_streams_an_answer_without_any_provider(first):
    words = shlex.split(first.line("curl -N").replace("-N", ""))
    url, headers, body = words[0], words[2:6:2], words[-1]
    request = urllib.request.Request(url, body.encode(), dict(header.split(": ") for header in headers))
    with urllib.request.urlopen(request, timeout=20) as response:
        events = response.read().decode().split("\n\n")

    assert json.loads(body)["stream"] is True
    assert response.headers["x-rainymodel-upstream"] == "demo"
    assert events[-2] == "data: [DONE]"


def test_the_admin_link_signs_the_local_operator_in(first):
    link = first.line("Admin")
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    page = opener.open(link, timeout=20).read().decode()
    if "<form" in page and "/admin/" not in opener.open(link, timeout=20).url:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[1]
        page = opener.open(link, f"csrfmiddlewaretoken={token}".encode(), timeout=20).read().decode()

    assert opener.open(f"{first.url}/admin/", timeout=20).url == f"{first.url}/admin/"


def test_the_banner_says_what_is_missing_and_how_to_get_it(first):
    assert "demo" in first.line("Providers")
    assert first.line("hf ") == "set HF_TOKEN"
    assert first.line("openai ") == "set OPENAI_API_KEY"


def test_every_step_is_shown_with_its_time(first):
    steps = re.findall(r"^  (.+) … \d+\.\d s$", first.banner, re.MULTILINE)

    assert [step.partition(" under")[0] for step in steps][:4] == [
        "Starting the embedded Postgres",
        "Loading Django",
        "Checking the database's tables",
        "Loading the starting catalogue",
    ]


def test_secrets_and_the_first_key_are_the_owners_alone(first, state):
    for name in ("secrets.env", "first-key"):
        assert stat.S_IMODE((state / name).stat().st_mode) == 0o600
    assert (state / "first-key").read_text().strip() == first.line("API key")


def test_a_second_start_on_the_same_port_is_told_in_one_sentence(first, state):
    with launched(state, PORT=first.url.rpartition(":")[2]) as process:
        code, _, errors = finished(process)

    assert (code, len(errors.splitlines())) == (1, 1)
    assert "it is already in use" in errors


def test_a_stop_ends_everything_and_the_next_start_keeps_everything(first, state):
    children = [int(pid) for pid in children_of(first.process.pid)]
    assert children
    code, said, errors = first.stop(signal.SIGTERM)

    assert (code, said.strip().splitlines()[-1].strip()) == (0, "Stopped.")
    assert "Traceback" not in errors
    assert not any(map(is_alive, children))
    assert postgres_running(state / "postgres") is None
    with launched(state) as process:
        again = Run(process, read_banner(process))
        assert again.line("API key") == first.line("API key")
        assert again.line("Admin") != first.line("Admin")
        assert json.loads(fetch(f"{again.url}/health"))["status"] == "healthy"
        code, said, _ = again.stop(signal.SIGINT)
    assert (code, said.strip().splitlines()[-1].strip()) == (0, "Stopped.")
    assert postgres_running(state / "postgres") is None


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


def test_an_interrupted_start_stops_what_it_started(tmp_path):
    with launched(tmp_path / "state") as process:
        process.stdout.read(10)  # the first step
        process.send_signal(signal.SIGINT)
        code, said, errors = finished(process)

    assert (code, said.strip().splitlines()[-1].strip(), errors) == (0, "Stopped.", "")
    assert postgres_running(tmp_path / "state/postgres") is None


def one_sentence(tmp_path: Path, **settings: str) -> str:
    """What a start that must fail says."""
    with launched(tmp_path / "state", **settings) as process:
        code, _, errors = finished(process)
    assert code == 1
    assert len(errors.strip().splitlines()) == 1, errors
    return errors.strip()


def test_production_is_refused(tmp_path):
    assert "`make run` is for development" in one_sentence(tmp_path, RAINYMODEL_ENV="production")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "many"),
        ("PORT", "65536"),
        ("WEB_WORKERS", "0"),
        ("WEB_WORKERS", "two"),
        ("RAINYMODEL_DRAIN_SECONDS", "-1"),
    ],
)
def test_a_value_that_cannot_be_read_is_named(tmp_path, name, value):
    said = one_sentence(tmp_path, **{name: value})

    assert name in said
    assert repr(value) in said


def test_a_state_directory_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").touch()
    said = one_sentence(tmp_path, RAINYMODEL_STATE_DIR=str(tmp_path / "file/state"))

    assert "RAINYMODEL_STATE_DIR" in said
    assert "Not a directory" in said


def test_a_database_url_that_is_none_is_told(tmp_path):
    said = one_sentence(tmp_path, DATABASE_URL="mysql://user:hunter2@somewhere/else")

    assert "DATABASE_URL" in said
    assert "hunter2" not in said


def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path):
    said = one_sentence(
        tmp_path, DATABASE_URL=f"postgresql://user:hunter2@127.0.0.1:{free_port()!s}/rainymodel"
    )

    assert "database of DATABASE_URL does not answer" in said
    assert "hunter2" not in said


def test_a_litellm_configuration_that_is_not_there_is_told(tmp_path):
    assert "LITELLM_CONFIG_PATH names" in one_sentence(
        tmp_path, LITELLM_CONFIG_PATH=str(tmp_path / "none.yaml")
    )


def test_an_unreadable_secrets_file_is_told(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state/secrets.env").write_bytes(b"\xff\xfe\x00")

    assert "secrets.env cannot be read: it is not UTF-8 text" in one_sentence(tmp_path)
