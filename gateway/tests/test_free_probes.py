"""Upstreams are woken by lists of models: free requests, and only what they prove is let go."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from bench.ports import free_port
from gateway.live import Live
from gateway.probes import FreeProbes
from gateway.upstream.addresses import AddressRules
from gateway.upstream.scripted import ScriptedUpstream
from gateway.upstream.sessions import Sessions
from routing.addresses import AllowedUpstreams
from routing.engine.outcome import Fault, Outcome
from routing.engine.snapshot import BreakerRules, Deployment, Provider, Snapshot, Tier

TIER = Tier("free", "Free", "free", 1)
REFUSED = Outcome(Fault.CREDENTIAL, "credential_refused", 401)
SPENT = Outcome(Fault.QUOTA, "quota_exhausted", 402)
UNREACHABLE = Outcome(Fault.UNHEALTHY, "connection_error")
BROKEN = Outcome(Fault.UNHEALTHY, "server_error", 500)
UNKNOWN_MODEL = Outcome(Fault.CONFIGURATION, "configuration", 404)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Served:
    """A catalogue of one deployment."""

    current: Snapshot
    credentials: Mapping[str, str] = field(default_factory=dict)


class House:
    """One worker's probes of one deployment, on a clock of its own."""

    def __init__(self, base_url: str, sessions: Sessions, model: str = "gpt-4o") -> None:
        rules = BreakerRules(open_after=1, open_for=300)
        provider = Provider("shop", "shop", base_url=base_url, address_class="private", breaker=rules)
        self.deployment = Deployment("shop/one", provider, model, TIER)
        deployments = {"shop/one": self.deployment}
        snapshot = Snapshot(1, {"free": TIER}, {"shop": provider}, deployments, {}, (), {})
        self.clock = Clock()
        self.live = Live(self.clock, lambda: 1.0)
        served = Served(snapshot, {"shop": "right"})
        self.probes = FreeProbes(sessions, served, self.live, self.clock, lambda: 0.0)

    @property
    def skipped(self) -> str:
        """Why a request would pass the deployment by."""
        return self.live.health.skip_reason(self.deployment, self.clock.now)[0]

    async def look(self, times: int = 2, seconds: float = 1.0) -> None:
        """So many rounds of the job."""
        for _ in range(times):
            await self.probes.look()
            self.clock.now += seconds


@asynccontextmanager
async def house_at(base_url: str, model: str = "gpt-4o") -> AsyncIterator[House]:
    house = House(base_url, Sessions(AddressRules(AllowedUpstreams(loopback=True))), model)
    try:
        yield house
    finally:
        await house.probes.close()


@asynccontextmanager
async def upstream(port: int = 0) -> AsyncIterator[ScriptedUpstream]:
    running = await ScriptedUpstream.start(port=port)
    try:
        yield running
    finally:
        await running.stop()


@asynccontextmanager
async def guarded_list(accepted: str) -> AsyncIterator[str]:
    """A provider whose list of models is for whoever has the credential."""

    async def models(request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {accepted}":
            return web.json_response({"error": "no"}, status=401)
        return web.json_response({"data": [{"id": "gpt-4o"}]})

    application = web.Application()
    application.router.add_get("/v1/models", models)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", free_port())
    await site.start()
    try:
        yield f"{site.name}/v1"
    finally:
        await runner.cleanup()


async def test_a_refused_credential_that_lists_again_is_tried_again():
    async with guarded_list("right") as url, house_at(url) as house:
        house.live.note(house.deployment, REFUSED)
        assert house.skipped == "held"

        await house.look()

        assert house.skipped == ""


async def test_a_credential_that_is_still_refused_stays_held():
    async with guarded_list("another") as url, house_at(url) as house:
        house.live.note(house.deployment, REFUSED)

        await house.look()

        assert house.skipped == "held"


async def test_a_list_that_everybody_may_read_proves_no_credential():
    async with upstream() as running, house_at(running.base_url) as house:
        house.live.note(house.deployment, REFUSED)

        await house.look()

        assert house.skipped == "held"
        assert [entry.method for entry in running.ledger.entries] == ["GET", "GET"]


async def test_an_upstream_that_answers_again_is_half_open_before_its_time():
    port = free_port()
    async with house_at(f"http://127.0.0.1:{port}/v1") as house:
        house.live.note(house.deployment, UNREACHABLE)
        await house.look()
        assert house.skipped == "circuit_open"

        async with upstream(port) as running:
            await house.look(2, seconds=31)

            assert house.skipped == ""
            assert house.live.begin(house.deployment)
            assert house.skipped == "circuit_open"
            assert [(entry.method, entry.path) for entry in running.ledger.entries] == [("GET", "/v1/models")]


async def test_a_circuit_that_bad_answers_opened_waits_for_its_own_time():
    async with upstream() as running, house_at(running.base_url) as house:
        house.live.note(house.deployment, BROKEN)

        await house.look(5, seconds=10)

        assert house.skipped == "circuit_open"
        assert running.ledger.totals.requests == 0


async def test_a_list_says_nothing_about_money():
    async with upstream() as running, house_at(running.base_url) as house:
        house.live.note(house.deployment, SPENT)

        await house.look(5, seconds=60)

        assert house.skipped == "held"
        assert running.ledger.totals.requests == 0


async def test_a_model_that_the_list_names_now_is_asked_again():
    async with (
        upstream() as running,
        house_at(running.base_url) as known,
        house_at(running.base_url, "missing") as unknown,
    ):
        for house in (known, unknown):
            house.live.note(house.deployment, UNKNOWN_MODEL)

            await house.look()

        assert (known.skipped, unknown.skipped) == ("", "held")


async def test_what_an_operator_keeps_away_is_not_woken():
    async with upstream() as running, house_at(running.base_url) as house:
        house.live.note(house.deployment, UNREACHABLE)
        house.live.open(house.deployment, house.clock.now + 900)

        await house.look(5, seconds=31)

        assert house.skipped == "circuit_open"
        assert running.ledger.totals.requests == 0


async def test_a_provider_is_asked_at_most_once_in_thirty_seconds_and_less_and_less_often():
    async with upstream() as running, house_at(running.base_url, "missing") as house:
        house.live.note(house.deployment, UNKNOWN_MODEL)

        await house.look(95, seconds=1)

        assert [entry.method for entry in running.ledger.entries] == ["GET", "GET", "GET"]


async def test_no_round_asks_anybody_while_all_is_well():
    async with upstream() as running, house_at(running.base_url) as house:
        await asyncio.gather(house.look(), house.look())

        assert running.ledger.totals.requests == 0
