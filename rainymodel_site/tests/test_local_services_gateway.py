"""`manage.py services` with the real gateway, on a database of its own."""

import json
import os
import re
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from rainymodel_site.listening import listen
from rainymodel_site.local_services.records import Record, read_record
from rainymodel_site.tests.running import eventually, fetch, finished, is_alive, python


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Iterator[dict[str, str]]:
    """A prepared database and an environment without Open WebUI; whatever runs at the end is stopped."""
    url, name = urlsplit(os.environ["DATABASE_URL"]), f"services_{secrets.token_hex(4)}"
    with listen("127.0.0.1", 0) as found:
        port = found.getsockname()[1]
    given = {
        "RAINYMODEL_STATE_DIR": str(tmp_path_factory.mktemp("services")),
        "DATABASE_URL": urlunsplit(url._replace(path=f"/{name}")),
        "PORT": str(port),
        "OPENWEBUI_COMMAND": "no-such-program",
    }
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield given
        manage(given, "services", "stop")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def manage(settings: dict[str, str], *words: str) -> tuple[int, str, str]:
    with python("manage.py", *words, **settings) as process:
        return finished(process, within=90)


def record(settings: dict[str, str]) -> Record:
    return read_record(Path(settings["RAINYMODEL_STATE_DIR"]) / "services/gateway.pid")


def test_a_gateway_that_refuses_to_start_is_told_in_its_own_words(settings):
    code, _, errors = manage(settings, "services", "start", "gateway")

    assert code == 1
    assert "gateway ended with exit code 1" in errors
    assert "run `manage.py migrate` first" in errors


def test_the_gateway_is_started_without_open_webui_restarted_after_a_crash_and_stopped(settings):
    for command in ("migrate", "load_catalogue"):
        assert manage(settings, command)[0] == 0
    code, said, errors = manage(settings, "services", "start")
    assert (code, errors) == (0, "")
    assert "Open WebUI is not installed" in said
    url, first = f"http://127.0.0.1:{settings['PORT']}", record(settings)
    assert json.loads(fetch(f"{url}/ready"))["status"] == "ready"

    code, said, _ = manage(settings, "services", "status")
    assert code == 0
    assert re.search(rf"^gateway +running +{first.child} .* {re.escape(url)} +0 +ready$", said, re.MULTILINE)
    assert re.search(r"^open-webui +not installed ", said, re.MULTILINE)

    os.kill(first.child, signal.SIGKILL)
    second = eventually(lambda: (found := record(settings)).child not in {0, first.child} and found)
    eventually(lambda: fetch(f"{url}/ready"))
    assert second.restarts >= 1

    code, said, _ = manage(settings, "services", "stop")
    assert code == 0
    assert re.search(r"^gateway stopped after", said, re.MULTILINE)
    assert not is_alive(second.child)
    assert manage(settings, "services", "status")[0] == 3


def test_a_gateway_that_was_started_elsewhere_is_neither_stopped_nor_another_program(settings, tmp_path):
    for command in ("migrate", "load_catalogue"):
        assert manage(settings, command)[0] == 0
    url = f"http://127.0.0.1:{settings['PORT']}"
    with python("manage.py", "serve", **settings | {"RAINYMODEL_STATE_DIR": str(tmp_path)}) as process:
        eventually(lambda: fetch(f"{url}/ready"))
        code, said, _ = manage(settings, "services", "status")
        refused, _, errors = manage(settings, "services", "start", "gateway")
        process.send_signal(signal.SIGTERM)
        finished(process)

    words = "ready; a RainyModel that `manage.py services` did not start"
    assert code == 0
    assert re.search(
        rf"^gateway +started elsewhere +– +– +{re.escape(url)} +0 +{re.escape(words)}$", said, re.MULTILINE
    )
    assert refused == 1
    assert "A RainyModel that `manage.py services` did not start serves at" in errors


def test_without_a_database_url_the_gateway_brings_the_embedded_postgres_and_takes_it_down(
    settings, tmp_path
):
    alone = settings | {
        "RAINYMODEL_STATE_DIR": str(tmp_path), "RAINYMODEL_ENV": "development", "DATABASE_URL": "",
    }  # fmt: skip
    for command in ("migrate", "load_catalogue"):
        assert manage(alone, command)[0] == 0
    try:
        assert manage(alone, "services", "start")[::2] == (0, "")
        assert json.loads(fetch(f"http://127.0.0.1:{alone['PORT']}/ready"))["status"] == "ready"
        code, said, _ = manage(alone, "services", "status")
        assert (code, "database  rainymodel answers in" in said) == (0, True)
    finally:
        manage(alone, "services", "stop")
    assert "the embedded Postgres does not run" in manage(alone, "services", "status")[1]
