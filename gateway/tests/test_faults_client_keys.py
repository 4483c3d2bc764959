"""Credentials of every odd form, keys that stop working, and models that a key may not see."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest

from bench.ports import free_port
from gateway.tests.live import LiveGateway, live_gateway, serving
from gateway.tests.raw_client import CHAT

HELLO = {"model": "fake/ok", "messages": [{"role": "user", "content": "hi"}]}
SHAPES = pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
MALFORMED = {
    "bearer alone": [("Authorization", "Bearer")],
    "no token": [("Authorization", "bearer  x")],
    "basic": [("Authorization", "Basic dXNlcjpwYXNz")],
    "8 kB": [("Authorization", "Bearer sk-rm_" + "a" * 8000)],
    "not ascii": [("Authorization", "Bearer sk-rm_é")],
    "a space inside": [("Authorization", "Bearer sk-rm_a b")],
    "wrong checksum": [("x-api-key", "sk-rm_AAAAAAAA_" + "A" * 38)],
    "two": [("Authorization", "Bearer sk-one"), ("Authorization", "Bearer sk-two")],
    "two that differ": [("Authorization", "Bearer sk-one"), ("x-api-key", "sk-two")],
}


@pytest.fixture(scope="module")
def without_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a gateway that cannot look anything up: whoever would be looked up gets a 503."""
    port, state = free_port(), tmp_path_factory.mktemp("keys")
    variables = {
        **os.environ,
        "DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/nothing",
        "RAINYMODEL_ENV": "development",
        "RAINYMODEL_STATE_DIR": str(state),
        "HOST": "127.0.0.1",
        "PORT": str(port),
    }
    with serving("uvicorn", port, variables, Path(state), path="/health"):
        yield f"http://127.0.0.1:{port}"


def refusal(url: str, headers: list[tuple[str, str]], **fields: object) -> tuple[int, bytes]:
    pairs = [(name.encode(), value.encode()) for name, value in headers]
    answer = httpx.post(url + CHAT, json={**HELLO, **fields}, headers=pairs, timeout=20)
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    return answer.status_code, answer.content


@pytest.mark.fault("C26", "C30")
@pytest.mark.parametrize("headers", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_cannot_be_a_key_is_refused_in_the_same_words_without_a_look_into_the_database(
    without_database: str, headers: list[tuple[str, str]]
):
    asked = refusal(without_database, headers)

    assert asked[0] == (400 if len(headers) == 2 else 401)
    assert refusal(without_database, headers, stream=True) == asked
    assert not any(value.split()[-1].encode() in asked[1] for _, value in headers if len(value) > 20)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """A gateway of two workers, whose keys may be spoilt."""
    with live_gateway("uvicorn", tmp_path_factory.mktemp("spoilt"), WEB_WORKERS="2") as running:
        yield running


def ask(gateway: LiveGateway, key: str, *, stream: bool = False) -> tuple[int, str]:
    body = {**HELLO, "stream": stream}
    answer = httpx.post(gateway.url + CHAT, json=body, headers=gateway.headers(key), timeout=20)
    return answer.status_code, "" if answer.is_success else answer.json()["error"]["code"]


SPOILT = {
    "revoked": ("plain", "UPDATE accounts_apikey SET revoked_at = now() WHERE kid = %s", "api_key_revoked"),
    "expired": ("dollar", "UPDATE accounts_apikey SET expires_at = now() WHERE kid = %s", "api_key_expired"),
    "owner disabled": (
        "of_account_too",
        "UPDATE accounts_user SET is_active = FALSE WHERE id = (SELECT owner_id FROM accounts_apikey WHERE kid = %s)",
        "api_key_revoked",
    ),
}


@pytest.mark.fault("C28")
@SHAPES
@pytest.mark.parametrize(("key", "statement", "code"), SPOILT.values(), ids=SPOILT.keys())
def test_a_key_that_stops_is_refused_within_two_seconds_to_whoever_knows_its_secret(
    own: LiveGateway, key: str, statement: str, code: str, stream: bool
):
    kid, secret = own.keys[key].split("_")[1:]
    if not stream:
        assert ask(own, key) == (200, "")
    with psycopg.connect(own.dsn, autocommit=True) as connection:
        connection.execute(statement, [kid])
    until, refused = time.monotonic() + 2, 0
    while refused < 8 and time.monotonic() < until:  # by both workers, whichever is reached
        refused = refused + 1 if ask(own, key, stream=stream) == (401, code) else 0

    assert refused == 8
    guessed = httpx.post(
        own.url + CHAT,
        json=HELLO,
        headers={"Authorization": f"Bearer sk-rm_{kid}_{secret[::-1]}"},
    )
    assert (guessed.status_code, guessed.json()["error"]["code"]) == (401, "invalid_api_key")


@pytest.mark.fault("C28")
def test_a_rolled_keys_old_half_works_until_its_date(own: LiveGateway):
    kid = own.keys["six_hundred"].split("_")[1]
    with psycopg.connect(own.dsn, autocommit=True) as connection:
        connection.execute(
            "UPDATE accounts_apikey SET expires_at = now() + interval '2 seconds', replaced_by_id = "
            "(SELECT id FROM accounts_apikey WHERE label = 'dollar') WHERE kid = %s",
            [kid],
        )
    during = ask(own, "six_hundred")
    until = time.monotonic() + 6
    while (after := ask(own, "six_hundred"))[0] == 200 and time.monotonic() < until:
        time.sleep(0.1)

    assert during == (200, "")
    assert after == (401, "api_key_expired")


@pytest.mark.fault("C17")
@SHAPES
def test_an_unknown_model_is_a_404_and_leaves_a_row(gateway: LiveGateway, stream: bool):
    body = {**HELLO, "model": "no-such-model", "stream": stream}
    answer = httpx.post(gateway.url + CHAT, json=body, headers=gateway.headers("chosen_aliases"), timeout=20)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert answer.json()["error"]["param"] == "model"
    assert "rainymodel/paid" not in answer.text
    (row,) = gateway.rows(answer.headers["x-request-id"])
    assert (row["state"], row["status"], row["requested_model"]) == ("client_error", 404, "no-such-model")


@pytest.mark.fault("C17")
def test_models_that_a_key_may_not_use_are_not_listed_to_it(gateway: LiveGateway):
    listed = httpx.get(f"{gateway.url}/v1/models", headers=gateway.headers("chosen_aliases")).json()
    everything = httpx.get(f"{gateway.url}/v1/models", headers=gateway.headers()).json()

    assert listed["data"] == []
    assert "rainymodel/auto" in [model["id"] for model in everything["data"]]


@pytest.mark.fault("C29")
@pytest.mark.parametrize("name", ["api_key", "key", "access_token"])
def test_a_key_in_the_url_is_refused_flagged_and_written_nowhere(gateway: LiveGateway, name: str):
    key = gateway.keys[{"api_key": "two_a_minute", "key": "thousand_tokens"}.get(name, "monthly_cent")]
    kid, secret = key.split("_")[1:]
    answer = httpx.post(f"{gateway.url}{CHAT}?{name}={key}&x=1", json=HELLO, headers=gateway.headers())

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "key_in_url")
    assert "roll" in answer.json()["error"]["message"]
    with psycopg.connect(gateway.dsn, autocommit=True) as connection:
        until, flagged = time.monotonic() + 5, None
        while flagged is None and time.monotonic() < until:
            found = connection.execute(
                "SELECT exposed_at FROM accounts_apikey WHERE kid = %s", [kid]
            ).fetchone()
            flagged = found and found[0]
    assert flagged is not None
    state = Path(gateway.variables["RAINYMODEL_STATE_DIR"])
    log = state / f"{gateway.server}.log"
    while "a key stood in a URL" not in log.read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    assert secret not in log.read_text()


def test_a_guess_in_a_url_flags_nobody(uvicorn_gateway: LiveGateway):
    kid, secret = uvicorn_gateway.keys["dollar"].split("_")[1:]
    url = f"{uvicorn_gateway.url}{CHAT}?key=sk-rm_{kid}_{secret[::-1]}"
    assert httpx.post(url, json=HELLO).status_code == 400
    with psycopg.connect(uvicorn_gateway.dsn) as connection:
        found = connection.execute("SELECT exposed_at FROM accounts_apikey WHERE kid = %s", [kid]).fetchone()

    assert found == (None,)
