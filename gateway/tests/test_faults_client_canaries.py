"""Secrets that would be recognised anywhere: after a run of failures none stands in what is kept, told or shown."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from urllib.parse import quote

import httpx
import psycopg
import pytest

from gateway.tests.live import LiveGateway, live_gateway, sign_in_link
from gateway.tests.raw_client import CHAT, ask, connected, head, request
from gateway.upstream.scripted import scripted_upstream
from rainymodel_site.tests.browser import Person

PROVIDER_SECRET = "canary-Provider-7Hq2-never-to-be-seen"
HELLO = {"model": "native/ok", "messages": [{"role": "user", "content": "x"}]}
PAGES = ("/admin/", "/admin/gateway/requestlog/", "/admin/gateway/worker/", "/admin/gateway/deadletter/",
         "/admin/accounts/apikey/", "/admin/accounts/auditentry/", "/admin/routing/provider/",
         "/keys/")  # fmt: skip
ECHOING = (
    "unauthorized",
    "key_in_error",
    f"status:code=400,text={quote(f'The key {PROVIDER_SECRET} is bad')}",
    f"status:code=500,text={quote(PROVIDER_SECRET)}",
    f"status:code=429,text={quote(PROVIDER_SECRET)}",
    "cut:after=2",
    "bad_json",
    "hangup",
)


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the gateway writes what it has to say."""
    return tmp_path_factory.mktemp("canaries")


# Each scenario is played once for each shape, at a provider of its own: some put theirs on hold.
PLAYS = {f"echo-{number}": play for number, play in enumerate(product(ECHOING, (False, True)))}
MORE = {
    "providers": {
        name: {"upstream": name, "address_class": "private", "credential_variable": "POLYGLOT_API_KEY"}
        for name in PLAYS
    },
    "deployments": {name: {"provider": name, "model": name, "tier": "free"} for name in PLAYS},
    "aliases": {name: {"routes": [name]} for name in PLAYS},
}  # fmt: skip


@pytest.fixture(scope="module")
def gateway(state: Path) -> Iterator[LiveGateway]:
    """One whose providers all send the secret to an upstream that repeats it where it can."""
    with scripted_upstream(name="echo") as echo:
        for name, (scenario, _) in PLAYS.items():
            MORE["providers"][name]["base_url"] = echo.base_url
            echo.play(name, scenario)
        with live_gateway("uvicorn", state, more=MORE, POLYGLOT_API_KEY=PROVIDER_SECRET) as running:
            running.upstreams["echo"] = echo
            yield running


def told_by_failures(gateway: LiveGateway) -> list[str]:
    """Everything that clients were told in a run of failures, their own mistakes with keys included."""
    key, good = gateway.keys["plain"], gateway.headers()
    wrong = key[:-1] + ("a" if key[-1] != "a" else "b")
    bad = (
        {"Authorization": f"Bearer {wrong}"},
        {"Authorization": f"Basic {key}"},
        {**good, "x-api-key": wrong},
    )
    with httpx.Client(base_url=gateway.url, timeout=20) as client:
        told = [
            client.post(CHAT, json={**HELLO, "model": name, "stream": stream}, headers=good)
            for name, (_, stream) in PLAYS.items()
        ]
        told += [client.post(f"{CHAT}?{name}={key}", json=HELLO, headers=good) for name in ("api_key", "key")]
        told += [client.post(CHAT, json=HELLO, headers=headers) for headers in bad]
        told += [client.post(CHAT, content=body, headers=good) for body in (b"{", b'{"model": 5}', b"\xff")]
    with connected(gateway) as connection:
        connection.sendall(head(key, 5000) + b"{")
    broken = ask(gateway, request(key, "X-Bad: a\x0bb", model="native/ok"))
    return [f"{answer.headers} {answer.text}" for answer in told] + [broken.head, broken.body.decode()]


def kept_in_the_database(gateway: LiveGateway) -> str:
    """Every row of every table, as text."""
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    with psycopg.connect(gateway.dsn) as connection:
        names = [name for (name,) in connection.execute(tables)]
        return "\n".join(
            text for name in names for (text,) in connection.execute(f'SELECT t::text FROM "{name}" t')
        )


def secrets_of(gateway: LiveGateway) -> list[str]:
    """What must not be found: the provider's secret, the secret halves of every key, the master key."""
    halves = [key.split("_")[2] for name, key in gateway.keys.items() if name != "master"]
    return [PROVIDER_SECRET, gateway.keys["master"], *halves]


@pytest.mark.fault("C39")
def test_no_secret_is_told_logged_stored_or_shown(gateway: LiveGateway, state: Path):
    told = told_by_failures(gateway)
    last = httpx.post(gateway.url + CHAT, json=HELLO, headers=gateway.headers())
    gateway.row(last.headers["x-request-id"])
    person = Person(gateway.url, sign_in_link(gateway))
    pages = [person.get(page) for page in PAGES]
    requests = gateway.rows_where("TRUE", count=1)
    pages += [person.get(f"/admin/gateway/requestlog/{row['id']}/change/") for row in requests]
    person.close()
    used = [entry.authorization for entry in gateway.upstreams["echo"].ledger.entries]
    log = "".join(file.read_text(errors="replace") for file in state.glob("*.log"))

    assert used.count(f"Bearer {PROVIDER_SECRET}") >= len(PLAYS)
    assert len(requests) > len(PLAYS)
    assert {page.status_code for page in pages} == {200}
    assert "echo-" in log
    for secret in secrets_of(gateway):
        assert secret not in log
        assert secret not in kept_in_the_database(gateway)
        assert not [page.url for page in pages if secret in page.text]
        assert not [text for text in told if secret in text]
