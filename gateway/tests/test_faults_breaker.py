"""Upstreams that stay bad, come and go, or turn slow: how often they are asked, and what clients notice of it."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from gateway.tests.faulty_gateway import BOTH, CREDENTIAL, ask, deployment, faulty_gateway, is_whole, provider
from gateway.tests.live import LiveGateway

REFUSED = ("unauthorized", "status:code=403")
CREDITS = "status:code=402,text=You%20exceeded%20your%20monthly%20included%20credits"
FREE = {
    "prices": [{"starts": "2026-01-01", "input": "0", "cached_input": "0", "output": "0"}],
    "tier": "free",
}
SOON = 1.0  # seconds that the circuit of `returns` stays open


def more(base_url: str) -> dict[str, Any]:
    """Aliases of upstreams that are given up at the third failure, for a minute unless said otherwise."""
    models = {
        **{f"down-{number}": f"status:code=500,text={number}" for number in range(3)},
        **{f"flaky-{shape}": f"flaky:every=2,code={code}" for shape, code in (("json", 500), ("sse", 502))},
        "returns": "returns",
        "brown-sse": "brown-sse",
        **{f"undecided-{number}": f"status:code={code}" for number, code in enumerate((408, 409))},
        "unspent": CREDITS,
    }
    return {
        "tiers": {"free": {"name": "Free", "billing": "free", "rank": 0}},
        "policies": {"free": {"steps": ["free"]}, "auto": {"steps": ["free", "direct"]}},
        "providers": {
            name: provider(name, base_url, open_after=3, open_for=SOON if name == "returns" else 60)
            for name in models
        },
        "deployments": {
            name: deployment(name, model) | (FREE if name == "unspent" else {})
            for name, model in models.items()
        },
        "aliases": {
            "down": {"listed": False, "routes": [f"down-{number}" for number in range(3)]},
            "undecided": {"listed": False, "routes": ["undecided-0", "undecided-1", "rain"]},
            **{
                name: {"listed": False, "routes": [name, "rain"]}
                for name in models
                if not name.startswith(("down", "undecided"))
            },
        },
    }


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """One provider for each fault."""
    faults = [*REFUSED, CREDITS, "stale"]
    with faulty_gateway(tmp_path_factory.mktemp("breaker"), faults, more) as running:
        yield running


def upstreams_of(answers: list[httpx.Response]) -> list[str]:
    return [answer.headers["x-rainymodel-upstream"] for answer in answers]


def log_of(gateway: LiveGateway) -> str:
    with open(f"{gateway.variables['RAINYMODEL_STATE_DIR']}/{gateway.server}.log", encoding="utf-8") as log:
        return log.read()


@pytest.mark.fault("U15")
@BOTH
@pytest.mark.parametrize("fault", REFUSED)
def test_a_refused_credential_is_our_trouble_and_never_the_clients(
    gateway: LiveGateway, fault: str, shape: str
):
    first, second = (ask(gateway, f"{shape}/{fault}", shape) for _ in range(2))
    alone, held = (ask(gateway, f"only/{shape}/{fault}", shape) for _ in range(2))

    assert is_whole(first, shape)
    assert first.headers["x-rainymodel-fallback-reason"] == "credential_refused"
    assert second.headers["x-rainymodel-fallback-reason"] == "held"
    assert (alone.status_code, held.status_code) == (502, 503)
    assert CREDENTIAL not in alone.text + held.text + log_of(gateway)
    assert any(
        "upstream needs an operator" in line and "credential_refused" in line
        for line in log_of(gateway).splitlines()
    )


@pytest.mark.fault("U16")
@BOTH
def test_used_up_credits_hold_the_provider_and_are_asked_for_once_an_hour(gateway: LiveGateway, shape: str):
    first, second = (ask(gateway, f"{shape}/{CREDITS}", shape) for _ in range(2))
    alone, held = (ask(gateway, f"only/{shape}/{CREDITS}", shape) for _ in range(2))

    assert is_whole(first, shape)
    assert first.headers["x-rainymodel-fallback-reason"] == "quota_exhausted"
    assert second.headers["x-rainymodel-fallback-reason"] == "held"
    assert (alone.status_code, held.status_code) == (502, 503)
    assert int(held.headers["retry-after"]) <= 3600
    assert "quota_exhausted" in log_of(gateway)


@pytest.mark.fault("U16")
@BOTH
def test_under_the_policy_free_used_up_credits_lead_to_no_paid_tier(gateway: LiveGateway, shape: str):
    answer = ask(gateway, "unspent", shape, headers={"X-RainyModel-Policy": "free"})

    assert answer.status_code in (502, 503)  # the second time it is on hold
    assert answer.headers["x-rainymodel-upstream"] == "none"


@pytest.mark.fault("U22")
@BOTH
def test_what_may_be_about_the_request_is_asked_once_elsewhere(gateway: LiveGateway, shape: str):
    answer = ask(gateway, "undecided", shape)

    assert answer.status_code == 502
    assert answer.headers["x-rainymodel-tried"] == "undecided-0,undecided-1"


@pytest.mark.fault("U57")
@BOTH
def test_a_pooled_connection_that_was_closed_costs_no_attempt_and_is_no_failure(
    gateway: LiveGateway, shape: str
):
    answers = [ask(gateway, f"{shape}/stale", shape) for _ in range(4)]  # one failure would open its circuit

    assert upstreams_of(answers) == ["faulty"] * 4
    assert {answer.headers["x-rainymodel-attempts"] for answer in answers} == {"1"}
    assert gateway.upstreams["sun"].ledger.hits("stale") > 4


@pytest.mark.fault("U60")
@BOTH
def test_what_fails_every_second_call_is_out_after_a_dozen_and_clients_notice_nothing(
    gateway: LiveGateway, shape: str
):
    answers = [ask(gateway, f"flaky-{shape}", shape) for _ in range(20)]

    assert {answer.status_code for answer in answers} == {200}
    assert upstreams_of(answers)[:2] == [f"flaky-{shape}", "rain"]
    assert answers[-1].headers["x-rainymodel-fallback-reason"] == "circuit_open"
    scenario = f"flaky:every=2,code={500 if shape == 'json' else 502}"
    assert 10 <= gateway.upstreams["sun"].ledger.hits(scenario) <= 12


@pytest.mark.fault("U61")
def test_with_everything_down_a_request_costs_hardly_more_than_one_try(gateway: LiveGateway):
    answers = [ask(gateway, "down", ("json", "sse")[number % 2]) for number in range(60)]
    ledger = gateway.upstreams["sun"].ledger
    tries = sum(ledger.hits(f"status:code=500,text={number}") for number in range(3))

    assert {answer.status_code for answer in answers} == {502}
    assert tries <= 72


@pytest.mark.fault("U61")
def test_while_the_last_chance_is_tried_the_others_get_a_503_with_a_moment_to_come_back(gateway: LiveGateway):
    sun = gateway.upstreams["sun"]
    for _ in range(3):
        ask(gateway, "down")
    for number in range(3):
        sun.play(f"status:code=500,text={number}", "silence")
    before = sun.ledger.totals.requests
    with ThreadPoolExecutor(20) as pool:
        tried = pool.submit(ask, gateway, "down", headers={"x-rainymodel-deadline-ms": "3000"})
        while sun.ledger.totals.requests == before:
            time.sleep(0.01)
        others = list(pool.map(lambda _: ask(gateway, "down"), range(19)))
    for number in range(3):
        sun.play(f"status:code=500,text={number}", None)

    assert tried.result().status_code == 504
    assert {answer.status_code for answer in others} == {503}
    assert all(1 <= int(answer.headers["retry-after"]) <= 61 for answer in others)
    assert sun.ledger.totals.requests == before + 1


@pytest.mark.fault("U62")
def test_what_came_back_is_probed_by_one_request_at_a_time_and_then_gets_them_all(gateway: LiveGateway):
    sun = gateway.upstreams["sun"]
    sun.play("returns", "status:code=500")
    for _ in range(3):
        ask(gateway, "returns")
    sun.play("returns", "slow:first=0.3,chunks=1")
    before = sun.ledger.hits("returns")
    with ThreadPoolExecutor(16) as pool:
        until = time.monotonic() + 10 * SOON
        answers: list[httpx.Response] = []
        while time.monotonic() < until and (not answers or "rain" in upstreams_of(answers[-16:])):
            answers += pool.map(lambda _: ask(gateway, "returns"), range(16))
    probes = sorted(entry.time for entry in sun.ledger.of("returns")[before:])[:2]

    assert upstreams_of(answers[-16:]) == ["returns"] * 16
    assert {answer.status_code for answer in answers} == {200}
    assert probes[1] - probes[0] >= 0.3  # the second was sent once the first had answered


@pytest.mark.fault("U59")
def test_a_stream_many_times_slower_than_its_past_goes_behind_its_twin_and_opens_nothing(
    gateway: LiveGateway,
):
    sun = gateway.upstreams["sun"]
    sun.play("brown-sse", "ok")
    fast = [ask(gateway, "brown-sse", "sse") for _ in range(25)]
    sun.play("brown-sse", "slow:first=2.5,chunk=0,chunks=2")
    slow = [ask(gateway, "brown-sse", "sse") for _ in range(2)]
    after = [ask(gateway, "brown-sse", "sse") for _ in range(3)]

    assert upstreams_of(fast + slow) == ["brown-sse"] * 27
    assert upstreams_of(after) == ["rain"] * 3
    assert {answer.headers.get("x-rainymodel-tried") for answer in after} == {None}
