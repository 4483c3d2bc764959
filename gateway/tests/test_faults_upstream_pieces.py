"""How the bytes of an answer are cut up on their way, and what is left of a connection afterwards: on real sockets."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from gateway.tests.test_upstream_endings import call
from gateway.upstream.addresses import AddressRules
from gateway.upstream.openai_wire import OpenAIWire
from gateway.upstream.scripted import ScriptedUpstream, scripted_upstream
from gateway.upstream.sessions import Sessions
from routing.addresses import AllowedUpstreams

GREETING = [{"role": "user", "content": "سلام, grüße, 雨 ☔"}]


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with scripted_upstream(name="sun") as running:
        yield running


@pytest.fixture
async def wire() -> AsyncIterator[OpenAIWire]:
    wire = OpenAIWire(Sessions(AddressRules(AllowedUpstreams(loopback=True))))
    yield wire
    await wire.close()


async def events_of(wire: OpenAIWire, upstream: ScriptedUpstream, scenario: str) -> list[dict[str, Any]]:
    """Every event of a stream read to its end, without what differs from one stream to the next."""
    stream = await wire.open_stream(call(upstream, scenario, messages=GREETING))
    seen = [event async for events in stream.events() for event in events]
    await stream.close()
    return [{**event, "id": "", "created": 0, "model": ""} for event in seen]


@pytest.mark.fault("U39")
async def test_a_stream_is_the_same_wherever_its_bytes_are_cut(upstream, wire):
    whole = await events_of(wire, upstream, "ok")
    for size in [*range(1, 33), 63, 64, 65, 127, 255, 256, 257, 511, 1024]:
        assert await events_of(wire, upstream, f"split:size={size}") == whole

    assert "".join(
        event["choices"][0]["delta"].get("content", "") for event in whole if event["choices"]
    ) == (f"You said: {GREETING[0]['content']}")


@pytest.mark.fault("U52")
@pytest.mark.parametrize("scenario", ["after_done", "after_finish"])
async def test_what_comes_behind_the_end_is_ignored_and_reaches_no_other_answer(upstream, wire, scenario):
    whole = await events_of(wire, upstream, "ok")
    left_open = f"{scenario}:stay=1"

    assert await events_of(wire, upstream, scenario) == whole
    assert await events_of(wire, upstream, left_open) == whole
    assert await events_of(wire, upstream, "ok") == whole
    assert await upstream.ledger.until(lambda ledger: ledger.of(left_open)[-1].client_gone_after is not None)
