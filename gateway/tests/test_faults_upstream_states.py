"""What two workers hold against upstreams: reported, taken over by a worker that starts, and ended without a crowd."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from bench.ports import free_port
from gateway.tests.live import LiveGateway, fresh_database, prepare, serving
from gateway.upstream.scripted import ScriptedUpstream, scripted_upstream
from rainymodel_site.tests.running import eventually

HELLO = {"messages": [{"role": "user", "content": "hi"}]}
QUICK = {
    "address_class": "private", "connect_limit": 1, "first_content_limit": 3, "idle_limit": 1, "open_after": 1,
    "open_for": 1, "credential_variable": "SHOP_API_KEY",
}  # fmt: skip
SECRET = "a-credential-that-only-we-know"
FREE = {"prices": [{"starts": "2026-01-01", "input": 0, "cached_input": 0, "output": 0}]}
PAID = {"prices": [{"starts": "2026-01-01", "input": "1", "cached_input": "0.5", "output": "2"}]}
CLIENTS, SLOWLY = 40, "slow:first=0.5"
# Providers with a trouble each, as their first deployment's model has it; the second would work.
TROUBLES = {
    "key-json": "unauthorized",
    "key-sse": "unauthorized",
    "lone-json": "unauthorized",
    "lone-sse": "unauthorized",
    "spent-json": "status:code=402",
    "spent-sse": "status:code=402",
    "phoenix": "phoenix",
    "resting": "resting",
}
SHAPES = pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])


def catalogue(base_url: str) -> dict[str, Any]:
    """Each trouble's alias falls back on a paid provider, `only/TROUBLE` does not."""
    slow_to_forget = {"resting": {"open_for": 120}}
    providers = {
        slug: {"upstream": slug, "base_url": base_url, **QUICK, **slow_to_forget.get(slug, {})}
        for slug in [*TROUBLES, "rain"]
    }
    deployments = {
        f"{slug}/{place}": {"provider": slug, "model": model, "tier": "free", **FREE}
        for slug, scenario in TROUBLES.items()
        for place, model in enumerate((scenario, "ok"))
    }
    return {
        "tiers": {
            "free": {"name": "Free", "billing": "free", "rank": 1},
            "direct": {"name": "Direct", "billing": "paid", "rank": 2},
        },
        "policies": {
            "auto": {"synonyms": ["default"], "steps": ["free", "direct"]},
            "free": {"steps": ["free"]},
        },
        "providers": providers,
        "deployments": {
            **deployments,
            "rain/ok": {"provider": "rain", "model": "rainy", "tier": "direct", **PAID},
        },
        "aliases": {
            **{slug: {"routes": [f"{slug}/0", "rain/ok"]} for slug in TROUBLES},
            **{f"only/{slug}": {"routes": [f"{slug}/0"]} for slug in TROUBLES},
            **{f"second/{slug}": {"routes": [f"{slug}/1", "rain/ok"]} for slug in TROUBLES},
        },
    }


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """Two workers, whose upstreams are all one scripted one, `sun`."""
    port, state = free_port(), tmp_path_factory.mktemp("states")
    with scripted_upstream(name="sun") as sun, fresh_database(migrated=True) as dsn:
        variables = {
            **os.environ,
            "RAINYMODEL_ENV": "development",
            "RAINYMODEL_STATE_DIR": str(state),
            "DATABASE_URL": dsn,
            "HOST": "127.0.0.1",
            "PORT": str(port),
            "WEB_WORKERS": "2",
            "SHOP_API_KEY": SECRET,
            "RAINYMODEL_CREDENTIALS": "SHOP_API_KEY@127.0.0.1",
        }
        keys = prepare(variables, catalogue(sun.base_url))
        with serving("uvicorn", port, variables, state) as process:
            eventually(lambda: len(workers_at(dsn)) == 2)
            yield LiveGateway(
                f"http://127.0.0.1:{port}", keys, {"sun": sun}, dsn, process, "uvicorn", variables
            )


@pytest.fixture
def sun(gateway: LiveGateway) -> ScriptedUpstream:
    return gateway.upstreams["sun"]


def ask(gateway: LiveGateway, model: str, **fields: Any) -> httpx.Response:
    """One request on a connection of its own, so that either worker may get it."""
    headers = gateway.headers(Connection="close", **fields.pop("headers", {}))
    url = f"{gateway.url}/v1/chat/completions"
    return httpx.post(url, json={"model": model, **HELLO, **fields}, headers=headers, timeout=20)


def workers_at(dsn: str) -> dict[str, int]:
    """Worker id → its process, of those on the list."""
    with psycopg.connect(dsn) as connection:
        return {str(row[0]): row[1] for row in connection.execute("SELECT id, pid FROM gateway_worker")}


def reported(gateway: LiveGateway, deployment: str, column: str = "state") -> dict[str, Any]:
    """Worker id → what it says of a deployment."""
    query = f"SELECT worker_id, {column} FROM gateway_upstreamstate WHERE deployment = %s"
    with psycopg.connect(gateway.dsn) as connection:
        return {str(row[0]): row[1] for row in connection.execute(query, [deployment])}


@pytest.mark.fault("U15")
@SHAPES
def test_a_refused_credential_is_ours_alone_and_holds_the_whole_provider(gateway: LiveGateway, stream: bool):
    slug = "key-sse" if stream else "key-json"

    first = ask(gateway, slug, stream=stream)

    assert (first.status_code, first.headers["x-rainymodel-upstream"]) == (200, "rain")
    assert first.headers["x-rainymodel-fallback-reason"] == "credential_refused"
    eventually(lambda: "held" in reported(gateway, f"{slug}/1").values())
    assert set(reported(gateway, f"{slug}/1", "hold").values()) == {"credential_refused"}
    assert set(reported(gateway, f"{slug}/0", "last_status").values()) == {401}
    log = (gateway.variables["RAINYMODEL_STATE_DIR"], "uvicorn.log")
    with open(os.path.join(*log)) as output:
        said = output.read()
    assert "upstream needs an operator" in said
    assert SECRET not in said


@pytest.mark.fault("U15")
@SHAPES
def test_a_client_never_sees_a_refusal_of_our_credential(gateway: LiveGateway, stream: bool):
    answer = ask(gateway, f"only/lone-{'sse' if stream else 'json'}", stream=stream)

    assert answer.status_code == 502
    assert "refused our credential" in answer.json()["error"]["message"]
    assert SECRET not in answer.text
    assert "Incorrect API key" not in answer.text


@pytest.mark.fault("U16")
@SHAPES
def test_spent_credits_go_on_elsewhere_and_are_tried_again_within_the_hour(
    gateway: LiveGateway, stream: bool
):
    slug = "spent-sse" if stream else "spent-json"
    free = ask(gateway, slug, stream=stream, headers={"X-RainyModel-Policy": "free"})
    assert free.status_code in (429, 502, 503)
    assert "rain" not in free.headers.get("x-rainymodel-upstream", "")

    paid = ask(gateway, slug, stream=stream)

    assert (paid.status_code, paid.headers["x-rainymodel-upstream"]) == (200, "rain")
    eventually(lambda: "held" in reported(gateway, f"{slug}/1").values())
    lasts = reported(gateway, f"{slug}/0", "extract(epoch FROM held_until - now())::float").values()
    midnight = 86_400 - time.time() % 86_400
    assert max(lasts) <= 3600
    assert max(lasts) > min(3600, midnight) - 30


@pytest.mark.fault("U62")
async def test_an_upstream_that_comes_back_is_tried_by_one_request_of_each_worker(
    gateway: LiveGateway, sun: ScriptedUpstream
):
    sun.play("phoenix", "status:code=500")
    await hammer(gateway, "phoenix", [], until=lambda: len(reported(gateway, "phoenix/0")) == 2)
    sun.play("phoenix", SLOWLY)
    sun.ledger.reset()
    back = time.monotonic()

    answered: list[str] = []
    await hammer(
        gateway, "phoenix", answered, until=lambda: all_there(answered) or time.monotonic() > back + 10
    )

    arrivals = sorted(entry.time for entry in sun.ledger.of("phoenix"))
    while_first_ran = [moment for moment in arrivals if moment < arrivals[0] + 0.45]
    assert len(while_first_ran) <= 2
    assert all_there(answered)
    eventually(lambda: set(reported(gateway, "phoenix/0").values()) == {"closed"})


def all_there(answered: list[str]) -> bool:
    """Whether every client was answered by the upstream that had been away."""
    return set(answered[-2 * CLIENTS :]) == {"phoenix"}


async def hammer(gateway: LiveGateway, model: str, answered: list[str], *, until: Any) -> None:
    """Many clients, each asking again at once; adds who answered, in the order of the answers."""
    over = asyncio.Event()

    async def one(client: httpx.AsyncClient) -> None:
        while not over.is_set():
            answer = await client.post("/v1/chat/completions", json={"model": model, **HELLO})
            answered.append(answer.headers.get("x-rainymodel-upstream", str(answer.status_code)))

    limits = httpx.Limits(max_connections=CLIENTS)
    headers = gateway.headers()
    async with httpx.AsyncClient(base_url=gateway.url, headers=headers, limits=limits, timeout=20) as client:
        clients = [asyncio.ensure_future(one(client)) for _ in range(CLIENTS)]
        while not await asyncio.to_thread(until):
            await asyncio.sleep(0.1)
        over.set()
        await asyncio.gather(*clients)


@pytest.mark.fault("I33")
def test_a_worker_that_starts_begins_half_open_where_another_keeps_away_and_keeps_orders(
    gateway: LiveGateway, sun: ScriptedUpstream
):
    sun.play("resting", "status:code=500")
    order(gateway, "close", deployment="resting/0")  # what was ordered long ago is no order to a newcomer
    eventually(lambda: set(reported(gateway, "resting/0", "circuit").values()) <= {"closed"})

    def both_open() -> bool:
        ask(gateway, "resting")
        return list(reported(gateway, "resting/0", "circuit").values()) == ["open", "open"]

    eventually(both_open)
    order(gateway, "hold", provider="phoenix")
    before = workers_at(gateway.dsn)
    victim, pid = next(iter(before.items()))
    os.kill(pid, signal.SIGKILL)

    def newcomer() -> str:
        return next(iter(workers_at(gateway.dsn).keys() - before.keys()), "")

    started = eventually(newcomer, within=30)
    assert victim != started
    eventually(lambda: started in reported(gateway, "resting/0"))
    assert reported(gateway, "resting/0", "circuit")[started] == "half_open"
    eventually(lambda: reported(gateway, "phoenix/0", "hold").get(started) == "operator")


def order(gateway: LiveGateway, what: str, **about: str) -> None:
    """As the page writes it."""
    ((kind, slug),) = about.items()
    with psycopg.connect(gateway.dsn) as connection:
        connection.execute(
            "INSERT INTO gateway_upstreamorder (actor, what, deployment, provider) VALUES ('ada', %s, %s, %s)",
            [what, slug if kind == "deployment" else "", slug if kind == "provider" else ""],
        )


def test_a_workers_reports_go_with_its_row(gateway: LiveGateway):
    worker = next(iter(workers_at(gateway.dsn)))
    with psycopg.connect(gateway.dsn) as connection:
        connection.execute(
            "INSERT INTO gateway_upstreamstate (worker_id, deployment, provider, state, circuit)"
            " VALUES (%s, 'gone/0', 'gone', 'open', 'open')",
            [worker],
        )
        connection.execute("DELETE FROM gateway_worker WHERE id = %s", [worker])
        left = connection.execute(
            "SELECT count(*) FROM gateway_upstreamstate WHERE worker_id = %s", [worker]
        ).fetchone()
        connection.rollback()

    assert left == (0,)
