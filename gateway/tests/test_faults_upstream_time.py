"""Upstreams that take their time: every limit is a limit of the whole, and nothing that drips in stretches it."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from gateway.tests.faulty_gateway import (
    BOTH,
    ask,
    attempts,
    chunks_of,
    deployment,
    faulty_gateway,
    is_whole,
    provider,
)
from gateway.tests.live import LiveGateway
from gateway.tests.test_upstream_endings import call, failure
from gateway.upstream.addresses import AddressRules
from gateway.upstream.openai_wire import OpenAIWire
from gateway.upstream.pace import Pace
from gateway.upstream.scripted import scripted_upstream
from gateway.upstream.sessions import Sessions
from routing.addresses import AllowedUpstreams
from routing.engine.snapshot import TimeLimits

SHORT = {"first_content_limit": 0.5}
# What never comes to its first content, for either shape.
LATE = {
    "json": ("silence", "drip_headers:gap=0.05,lines=1000"),
    "sse": ("silence", "silence:head=1", "drip_headers:gap=0.05,lines=1000", "comments:every=0.05,lead=1000",
            "split:size=1,pause=0.05"),
}  # fmt: skip
TOTAL = "drip_body:gap=0.05"
DRIPS = {
    "json": ("silence", "drip_headers:gap=0.05,lines=1000", TOTAL),
    "sse": (
        "silence",
        "silence:head=1",
        "comments:every=0.05,lead=1000",
        "slow:first=0,chunk=0.05,chunks=1000",
    ),
}


@pytest.fixture(scope="module")
def black_hole() -> Iterator[str]:
    """The base URL of an address where connecting takes for ever: its queue is full and nobody accepts."""
    with closing(socket.socket()) as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for client in waiting:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield f"http://127.0.0.1:{port}/v1"
        for client in waiting:
            client.close()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, black_hole: str) -> Iterator[LiveGateway]:
    """One provider for each fault; `impatient/…` has deadlines of its own, `chain` five silent upstreams."""

    def more(base_url: str) -> dict[str, Any]:
        played = {fault for faults in DRIPS.values() for fault in faults}
        slugs = {fault: f"drip-{number}" for number, fault in enumerate(sorted(played))}
        chain = [f"chain-{number}" for number in range(5)]
        hole = {"connect_limit": 0.3, "open_after": 1}
        return {
            "providers": {
                **{slug: provider("dripping", base_url, open_after=1000) for slug in slugs.values()},
                **{slug: provider(slug, base_url, first_content_limit=0.3, open_after=1000) for slug in chain},
                **{f"hole-{shape}": provider("hole", black_hole, **hole) for shape in ("json", "sse")},
            },
            "deployments": {
                **{slug: deployment(slug, fault) for fault, slug in slugs.items()},
                **{slug: deployment(slug, "silence") for slug in chain},
                **{f"hole-{shape}": deployment(f"hole-{shape}", "ok") for shape in ("json", "sse")},
            },
            "aliases": {
                **{
                    f"impatient/{fault}": {
                        "listed": False, "routes": [slug], "first_content_deadline": 0.7, "total_deadline": 1.2,
                    }
                    for fault, slug in slugs.items()
                },
                **{f"patient/{fault}": {"listed": False, "routes": [slug]} for fault, slug in slugs.items()},
                "chain": {
                    "listed": False, "routes": chain, "first_content_deadline": 0.8, "total_deadline": 5,
                },
                **{
                    f"hole/{shape}": {"listed": False, "routes": [f"hole-{shape}", "rain"]}
                    for shape in ("json", "sse")
                },
            },
        }  # fmt: skip

    faults = {fault: SHORT for faults in LATE.values() for fault in faults}
    with faulty_gateway(
        tmp_path_factory.mktemp("late"),
        {**faults, TOTAL: {"total_limit": 0.6}, "stall": {"idle_limit": 0.4}},
        more,
    ) as running:
        yield running


@pytest.mark.fault("U04")
@BOTH
def test_an_address_where_nobody_accepts_is_given_up_at_the_connect_limit(gateway: LiveGateway, shape: str):
    first = ask(gateway, f"hole/{shape}", shape)
    second = ask(gateway, f"hole/{shape}", shape)
    (lost, answered) = attempts(gateway, first)

    assert is_whole(first, shape)
    assert (lost["word"], answered["word"]) == ("timeout", "")
    assert 300 <= lost["total_ms"] < 5000
    assert second.headers["x-rainymodel-fallback-reason"] == "circuit_open"
    assert TimeLimits().connect == 3.0


@pytest.mark.fault("U05", "U06", "U42")
@pytest.mark.parametrize(("shape", "fault"), [(shape, fault) for shape in LATE for fault in LATE[shape]])
def test_what_has_no_content_at_the_limit_is_left_for_the_next(gateway: LiveGateway, shape: str, fault: str):
    first = ask(gateway, f"{shape}/{fault}", shape)
    second = ask(gateway, f"{shape}/{fault}", shape)
    (lost, answered) = attempts(gateway, first)

    assert is_whole(first, shape)
    assert (lost["word"], answered["word"]) == ("timeout", "")
    assert 500 <= lost["total_ms"] < 3000
    assert second.headers["x-rainymodel-fallback-reason"] == "circuit_open"


@pytest.mark.fault("U05")
@BOTH
def test_a_given_up_attempt_is_closed_and_what_it_may_cost_is_noted(gateway: LiveGateway, shape: str):
    answer = ask(gateway, f"only/{shape}/silence", shape, max_tokens=1000)
    (lost,) = attempts(gateway, answer)

    assert answer.status_code == 502
    ledger = gateway.upstreams["sun"].ledger
    assert ledger.wait_until(lambda seen: seen.of("silence")[-1].client_gone_after is not None)
    assert lost["maybe_billed"] >= 1000 * 2000  # billionths of a dollar, at 2 dollars a million


@pytest.mark.fault("U07")
def test_a_json_body_that_drips_ends_at_the_total_limit_and_the_next_answers(gateway: LiveGateway):
    first = ask(gateway, f"json/{TOTAL}")
    second = ask(gateway, f"json/{TOTAL}")

    assert is_whole(first, "json")
    assert first.headers["x-rainymodel-fallback-reason"] == "timeout"
    assert 590 <= attempts(gateway, first)[0]["total_ms"] < 3000  # a timer may ring a moment early
    assert second.headers["x-rainymodel-fallback-reason"] == "circuit_open"


@pytest.mark.fault("U07")
async def test_a_body_below_the_least_pace_is_given_up_and_one_above_it_is_not():
    wire = OpenAIWire(Sessions(AddressRules(AllowedUpstreams(loopback=True))), Pace(rate=1000.0, grace=0.3))
    with scripted_upstream(name="sun") as upstream:
        failed = await failure(wire, call(upstream, "drip_body:gap=0.05", stream=False))
        async with asyncio.timeout(20):
            done = await wire.complete(call(upstream, "drip_body:gap=0.1,size=200", stream=False))
        await wire.close()

    assert failed.outcome.word == "timeout"
    assert done.body["choices"][0]["message"]["content"] == "You said: hello there"
    assert Pace() == Pace(rate=64.0, grace=30.0)


@pytest.mark.fault("U44")
@BOTH
def test_silence_inside_an_answer_is_the_idle_limit(gateway: LiveGateway, shape: str):
    answer = ask(gateway, f"{shape}/stall", shape)

    if shape == "json":
        assert is_whole(answer, shape)
    else:
        assert chunks_of(answer)[-1]["error"]["code"] == "upstream_timeout"
    assert attempts(gateway, answer)[0]["word"] == "timeout"


@pytest.mark.fault("U05", "U06", "U07")
@pytest.mark.parametrize("whose", ["alias", "client"])
@pytest.mark.parametrize(("shape", "fault"), [(shape, fault) for shape in DRIPS for fault in DRIPS[shape]])
def test_no_drip_stretches_the_deadline_of_a_request(
    gateway: LiveGateway, whose: str, shape: str, fault: str
):
    headers = {"x-rainymodel-deadline-ms": "600"} if whose == "client" else {}
    alias = "patient" if whose == "client" else "impatient"
    answer = ask(gateway, f"{alias}/{fault}", shape, headers=headers)

    if answer.status_code == 200:
        assert chunks_of(answer)[-1]["error"]["code"] == "upstream_timeout"
    else:
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
    assert answer.elapsed.total_seconds() < (2.0 if whose == "client" else 3.0)


@pytest.mark.fault("U05")
@BOTH
def test_a_chain_of_silent_upstreams_ends_at_the_one_deadline(gateway: LiveGateway, shape: str):
    answer = ask(gateway, "chain", shape)
    tried = [each for each in attempts(gateway, answer) if "skipped" not in each]

    assert answer.elapsed.total_seconds() < 3.0
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "upstream_timeout")
    assert 2 <= len(tried) <= 4
