"""The database slow, away, or full while the gateway serves, and away at its start: whoever is known is served on."""

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from accounts.keys import make_key
from bench.ports import free_port
from bench.toxic import ToxicProxy, toxic_database
from gateway.tests.live import catalogue, fresh_database, prepare, serving
from gateway.upstream.scripted import scripted_upstream

CHAT = "/v1/chat/completions"
ANSWER_OF_DATABASE = 5.0  # seconds
LESS, PATIENCE = 4.0, 30.0  # of clients: the first one's is over before the database has answered


@dataclass(frozen=True)
class Place:
    """A prepared gateway that may be started several times, and the way to its database."""

    variables: dict[str, str]
    keys: dict[str, str]
    line: ToxicProxy
    dsn: str
    state: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.variables['PORT']}"

    def ask(
        self, key: str, *, stream: bool = False, model: str = "rainymodel/auto", patience: float = PATIENCE
    ) -> httpx.Response:
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
        headers = {"Authorization": f"Bearer {self.keys[key]}"}
        return httpx.post(self.url + CHAT, json=body | {"max_tokens": 20}, headers=headers, timeout=patience)

    def ready(self) -> dict[str, object]:
        return httpx.get(f"{self.url}/ready").json()

    def rows(self) -> set[str]:
        with psycopg.connect(self.dsn) as connection:
            found = connection.execute("SELECT id::text FROM gateway_requestlog").fetchall()
        return {row[0] for row in found}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    state = tmp_path_factory.mktemp("state")
    with (
        scripted_upstream(name="sun") as sun,
        scripted_upstream(name="rain") as rain,
        fresh_database() as dsn,
        toxic_database(dsn) as (line, spoilt),
    ):
        variables = {
            **os.environ,
            "RAINYMODEL_ENV": "development",
            "RAINYMODEL_STATE_DIR": str(state),
            "DATABASE_URL": spoilt,
            "HOST": "127.0.0.1",
            "PORT": str(free_port()),
        }
        keys = prepare({**variables, "DATABASE_URL": dsn}, catalogue({"sun": sun, "rain": rain}, free_port()))
        keys["stranger"] = make_key().text
        yield Place(variables, keys, line, dsn, state)


@pytest.fixture
def running(place: Place) -> Iterator[Place]:
    with serving("uvicorn", int(place.variables["PORT"]), place.variables, place.state):
        assert place.ask("plain").status_code == 200
        try:
            yield place
        finally:
            place.line.heal()


def until(claim: Callable[[], bool], what: str, within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not claim():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.mark.fault("I03")
def test_no_request_waits_for_a_database_that_answers_in_five_seconds(running: Place):
    running.line.change(latency=ANSWER_OF_DATABASE)
    with ThreadPoolExecutor(8) as pool:
        json = list(pool.map(lambda _: running.ask("plain", patience=LESS), range(40)))
        streams = list(pool.map(lambda _: running.ask("plain", stream=True, patience=LESS), range(40)))
    running.line.heal()

    assert {answer.status_code for answer in json + streams} == {200}
    assert all(answer.text.endswith("data: [DONE]\n\n") for answer in streams)
    asked = {answer.headers["x-request-id"] for answer in json + streams}
    until(lambda: asked <= running.rows(), "rows are missing")


@pytest.mark.fault("I02")
def test_while_the_database_is_away_known_keys_work_and_unknown_ones_are_asked_to_come_again(running: Place):
    assert running.ask("dollar", model="paid/ok").status_code == 200
    running.line.change(frozen=True)

    known = [running.ask("plain", stream=stream) for stream in (False, True)]
    unknown = running.ask("stranger")
    spent = []
    while not spent or spent[-1].status_code == 200:
        spent.append(running.ask("dollar", model="paid/ok"))
    running.line.heal()

    assert [answer.status_code for answer in known] == [200, 200]
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (503, "limits_unavailable")
    assert unknown.headers["x-should-retry"] == "true"
    assert len(spent) > 1, "nothing was served from the lease"
    assert (spent[-1].status_code, spent[-1].json()["error"]["code"]) == (503, "limits_unavailable")
    asked = {answer.headers["x-request-id"] for answer in [*known, *spent]}
    until(lambda: asked <= running.rows(), "rows are missing")
    until(lambda: running.ask("stranger").status_code == 401, "the database is back and was not asked")


@pytest.mark.fault("I01")
def test_after_a_start_without_a_database_the_saved_catalogue_and_the_saved_keys_serve(place: Place):
    port = int(place.variables["PORT"])
    with serving("uvicorn", port, place.variables, place.state):
        until((place.state / "keys").exists, "the keys were not saved")
    place.line.change(refusing=True)
    place.line.reset()
    try:
        with serving("uvicorn", port, place.variables, place.state):
            ready, health = place.ready(), httpx.get(f"{place.url}/health")
            known = [place.ask("plain", stream=stream) for stream in (False, True)]
            unknown = place.ask("stranger")
            place.line.heal()
            until(lambda: "degraded" not in place.ready(), "the database is back, /ready does not say so")
    finally:
        place.line.heal()

    assert health.status_code == 200
    assert (ready["status"], ready["degraded"]) == ("ready", ["saved_catalogue"])
    assert "cannot be read from the database" in str(ready["problem"])
    assert [answer.status_code for answer in known] == [200, 200]
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (503, "limits_unavailable")
    asked = {answer.headers["x-request-id"] for answer in known}
    until(lambda: asked <= place.rows(), "rows are missing")


@pytest.mark.fault("I04")
def test_a_database_without_free_connections_costs_pages_and_no_requests(place: Place):
    role = "few_" + place.dsn.split("live_")[1][:12].split()[0]
    with psycopg.connect(place.dsn, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 6")
        connection.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        connection.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}")
    dsn = make_conninfo(place.variables["DATABASE_URL"], user=role)
    taken: list[psycopg.Connection] = []
    try:
        with serving(
            "uvicorn", int(place.variables["PORT"]), {**place.variables, "DATABASE_URL": dsn}, place.state
        ):
            assert place.ask("plain").status_code == 200
            with pytest.raises(psycopg.OperationalError, match="too many connections"):
                while True:
                    taken.append(psycopg.connect(dsn))
            page = httpx.get(f"{place.url}/admin/", cookies={"rainymodel_session": "a" * 32}, timeout=30)
            known, new = place.ask("plain"), place.ask("free_only")
            for connection in taken:
                connection.close()
    finally:
        with psycopg.connect(place.dsn, autocommit=True) as connection:
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")

    assert page.status_code == 503
    assert "The database cannot be reached; requests are still served" in page.text
    assert (known.status_code, new.status_code) == (200, 200)
