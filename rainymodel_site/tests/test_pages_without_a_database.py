"""The pages for people while the database is away: they say so, and the log needs one line for it."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from django.db import InterfaceError, OperationalError

from bench.ports import free_port
from gateway.tests.live import serving
from rainymodel_site.failures import is_away
from rainymodel_site.tests.running import eventually


@dataclass(frozen=True)
class Site:
    """Where it answers, and what it has logged."""

    url: str
    log_file: Path

    def log(self) -> list[str]:
        return self.log_file.read_text().splitlines()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    port, state = free_port(), tmp_path_factory.mktemp("state")
    variables = {
        **os.environ,
        "DATABASE_URL": f"postgresql://nobody:hunter2@127.0.0.1:{free_port()}/nothing",
        "RAINYMODEL_ENV": "development",
        "RAINYMODEL_STATE_DIR": str(state),
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }
    with serving("uvicorn", port, variables, state, path="/health"):
        yield Site(f"http://127.0.0.1:{port}", state / "uvicorn.log")


@pytest.mark.parametrize("path", ["/admin/", "/signin/", "/signin/a-link", "/admin/routing/alias/"])
def test_a_page_says_that_the_database_is_away_and_comes_back(site: Site, path: str):
    cookies = {"rainymodel_session": "a" * 32}
    page = httpx.get(site.url + path, cookies=cookies, timeout=30)

    assert page.status_code == 503
    assert page.headers["content-type"].startswith("text/html")
    assert int(page.headers["retry-after"]) > 0
    assert "The database cannot be reached; requests are still served. Try again shortly." in page.text
    assert "hunter2" not in page.text


def test_the_log_has_one_line_for_it_and_no_traceback(site: Site):
    httpx.get(f"{site.url}/signin/a-link-of-its-own", timeout=30)

    told: list[str] = []
    # The log is written by a thread of its own, a moment after the answer.
    eventually(
        lambda: told.extend(line for line in site.log() if "/signin/a-link-of-its-own" in line) or told
    )
    (line,) = told
    assert "The database cannot be reached" in line
    assert "Traceback" not in "\n".join(site.log())


@pytest.mark.parametrize(
    ("error", "cause", "away"),
    [
        (OperationalError, psycopg.OperationalError, True),
        (InterfaceError, psycopg.InterfaceError, True),
        (OperationalError, psycopg.errors.AdminShutdown, True),
        (OperationalError, psycopg.errors.TooManyConnections, True),
        (OperationalError, psycopg.errors.DeadlockDetected, False),
        (OperationalError, psycopg.errors.QueryCanceled, False),
    ],
)
def test_a_statement_that_failed_is_no_database_that_is_away(error, cause, away):
    raised = error("told")
    raised.__cause__ = cause("told")

    assert is_away(raised) is away
