"""The image's entry point, without Docker: what it refuses, and a whole life from `release` to SIGTERM."""

import base64
import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from rainymodel_site import env
from rainymodel_site.listening import listen
from rainymodel_site.tests.running import eventually, fetch, finished, program

ENTRYPOINT = str(env.PROJECT / "bin/entrypoint")
HEALTHCHECK = str(env.PROJECT / "bin/healthcheck")


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """The URL of an empty database."""
    url = urlsplit(os.environ["DATABASE_URL"])
    name = f"image_{secrets.token_hex(4)}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield urlunsplit(url._replace(path=f"/{name}"))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def image(tmp_path: Path, database: str) -> dict[str, str]:
    """The environment that the image and its host would give."""
    with listen("127.0.0.1", 0) as found:
        port = found.getsockname()[1]
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RAINYMODEL_ENV": "production",
        "RAINYMODEL_STATE_DIR": str(tmp_path),
        "DATABASE_URL": database,
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(48),
        "RAINYMODEL_KEY_PEPPER": secrets.token_urlsafe(48),
        "RAINYMODEL_SECRET_KEYS": base64.b64encode(secrets.token_bytes(32)).decode(),
        "RAINYMODEL_PUBLIC_URL": "https://rm.orcest.ai",
        "RAINYMODEL_NOTICE_SECONDS": "0",
        "PORT": str(port),
    }


def run(image: dict[str, str], *arguments: str) -> tuple[int, str, str]:
    with program(ENTRYPOINT, *arguments, **image) as process:
        return finished(process)


def refusal(image: dict[str, str], *arguments: str) -> str:
    """The one sentence with which a start is refused."""
    code, _, errors = run(image, *arguments)
    assert code == 1
    assert len(errors.strip().splitlines()) == 1, errors
    return errors


@pytest.mark.parametrize(
    "name", ["DJANGO_SECRET_KEY", "RAINYMODEL_KEY_PEPPER", "RAINYMODEL_SECRET_KEYS", "DATABASE_URL"]
)
def test_a_missing_secret_is_refused_by_name(image, name):
    assert f"{name} is not set" in refusal(image | {name: ""})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RAINYMODEL_MASTER_KEY", "sk-rm-your-master-key-here"),
        ("RAINYMODEL_API_KEYS", "sk-something-long, sk-rm-orcide-default"),
        ("RAINYMODEL_MASTER_KEY", "changeme"),
        ("DJANGO_SECRET_KEY", "changeme"),
    ],
)
def test_an_example_value_is_refused_by_name(image, name, value):
    said = refusal(image | {name: value})

    assert name in said
    assert value not in said


def test_a_database_without_this_versions_tables_is_refused(image):
    assert "run `manage.py migrate` first" in refusal(image)


@pytest.mark.fault("I16")
def test_no_room_in_the_temporary_directory_is_loud(image):
    assert "mount a tmpfs" in refusal(image | {"TMPDIR": "/does/not/exist"})


@pytest.mark.fault("I16")
def test_a_temporary_directory_that_is_too_small_is_loud(image):
    # A limit on file sizes stands for a full disk.
    shell = ["sh", "-c", f"ulimit -f 100; exec {ENTRYPOINT} check"]
    done = subprocess.run(shell, env=os.environ | image, capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert "1 MB cannot be written to the temporary directory" in done.stderr


def test_any_command_of_manage_py_can_be_run(image):
    code, said, _ = run(image, "diffsettings", "--output", "unified")

    assert code == 0
    assert "rainymodel_site.urls" in said


def test_a_release_then_a_life_until_sigterm(image):
    code, said, errors = run(image, "bin/entrypoint", "release")  # as a host may spell it
    assert (code, errors) == (0, "")
    assert "Published as revision 1." in said

    with program(ENTRYPOINT, **image) as process:
        eventually(lambda: run_healthcheck(image) == 0)
        assert '"status":"ready"' in eventually(lambda: fetch(f"http://127.0.0.1:{image['PORT']}/ready"))
        assert len(children(process.pid)) == 1
        assert resident_megabytes(process.pid) < 60  # the supervisor has left Django behind
        process.send_signal(signal.SIGTERM)
        code, _, errors = finished(process)

    assert (code, "Traceback" in errors) == (0, False)
    assert run_healthcheck(image) == 1


def run_healthcheck(image: dict[str, str]) -> int:
    command = [sys.executable, HEALTHCHECK]
    return subprocess.run(command, env=os.environ | image, capture_output=True, check=False).returncode


def resident_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
