"""How an upstream's answer ends, or fails to: what the wire makes of it, on real sockets."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from gateway.errors import AttemptFailed, StreamBroken
from gateway.upstream.addresses import AddressRules
from gateway.upstream.openai_wire import OpenAIWire
from gateway.upstream.scripted import Ledger, ScriptedUpstream, scripted_upstream
from gateway.upstream.sessions import Sessions
from gateway.upstream.wire import UpstreamCall
from routing.addresses import AllowedUpstreams
from routing.engine.outcome import Fault
from routing.engine.snapshot import Deployment, Provider, Tier, TimeLimits

PATIENCE = 20.0  # far more than any answer here takes, far less than the limits of LONG
LONG = TimeLimits(first_content=90.0, idle=90.0, total=90.0)
CREDENTIAL = "0f3c9a7b8d"


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with scripted_upstream(name="sun") as running:
        yield running


@pytest.fixture
async def wire() -> AsyncIterator[OpenAIWire]:
    wire = OpenAIWire(Sessions(AddressRules(AllowedUpstreams(loopback=True))))
    yield wire
    await wire.close()


def call(
    upstream: ScriptedUpstream, scenario: str, *, stream: bool = True, limits: TimeLimits = LONG, **more: Any
) -> UpstreamCall:
    """One attempt that plays a scenario."""
    provider = Provider("sun", "sun", base_url=upstream.base_url, address_class="private", limits=limits)
    deployment = Deployment("sun/it", provider, scenario, Tier("free", "Free", "free", 1), limits=limits)
    messages = [{"role": "user", "content": "hello there"}]
    payload = {"messages": messages, "stream": stream, **more}
    return UpstreamCall(deployment, "chat", payload, stream, CREDENTIAL, limits.first_content)


async def failure(wire: OpenAIWire, attempt: UpstreamCall) -> AttemptFailed:
    """How an attempt fails, within PATIENCE."""
    with pytest.raises(AttemptFailed) as raised:
        async with asyncio.timeout(PATIENCE):
            await (wire.open_stream(attempt) if attempt.stream else wire.complete(attempt))
    return raised.value


async def text_of(wire: OpenAIWire, attempt: UpstreamCall) -> list[str]:
    """Each choice's text of a stream read to its end, within PATIENCE."""
    async with asyncio.timeout(PATIENCE):
        stream = await wire.open_stream(attempt)
        seen = [choice async for chunks in stream.events() for chunk in chunks for choice in chunk["choices"]]
        await stream.close()
    texts = [""] * (1 + max(choice["index"] for choice in seen))
    for choice in seen:
        texts[choice["index"]] += choice["delta"].get("content") or ""
    return texts


@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
async def test_an_error_inside_a_200_never_repeats_our_credential(upstream, wire, stream):
    failed = await failure(wire, call(upstream, "key_in_error", stream=stream))

    assert failed.outcome.fault is Fault.REQUEST
    assert failed.outcome.detail == "No tenant has [removed]."


@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
@pytest.mark.parametrize("levels", [252, 300, 1000])
async def test_an_answer_too_deep_to_be_written_again_is_a_bad_response(upstream, wire, levels, stream):
    attempt = call(upstream, f"deep:levels={levels + 2}", stream=stream)

    assert (await failure(wire, attempt)).outcome.word == "bad_response"


@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
async def test_an_answer_that_is_deep_but_can_be_written_is_passed_on(upstream, wire, stream):
    attempt = call(upstream, "deep:levels=240", stream=stream)

    if stream:
        assert await text_of(wire, attempt) == ["You said: hello there"]
    else:
        assert "deep" in (await wire.complete(attempt)).body


async def test_a_chunk_too_deep_behind_content_breaks_the_stream(upstream, wire):
    stream = await wire.open_stream(call(upstream, "deep:after=2,pause=0.1"))
    seen = []
    with pytest.raises(StreamBroken) as raised:
        async for chunks in stream.events():
            seen += chunks
    await stream.close()

    assert raised.value.outcome.word == "bad_response"
    assert all("deep" not in chunk for chunk in seen)


async def test_a_json_body_that_stalls_is_given_up_at_the_idle_limit(upstream, wire):
    limits = TimeLimits(first_content=90.0, idle=0.2, total=90.0)
    failed = await failure(wire, call(upstream, "stall", stream=False, limits=limits))

    assert failed.outcome.word == "timeout"


async def test_a_json_body_that_keeps_coming_is_given_up_at_the_total_limit(upstream, wire):
    limits = TimeLimits(first_content=90.0, idle=10.0, total=0.3)
    failed = await failure(wire, call(upstream, "drip_body:gap=0.1,size=1", stream=False, limits=limits))

    assert failed.outcome.word == "timeout"


async def test_a_json_body_may_take_longer_than_the_idle_limit_while_it_moves(upstream, wire):
    limits = TimeLimits(first_content=90.0, idle=1.0, total=90.0)
    done = await wire.complete(call(upstream, "drip_body:gap=0.3,size=100", stream=False, limits=limits))

    assert done.body["choices"][0]["message"]["content"] == "You said: hello there"


@pytest.mark.parametrize("scenario", ["never_closes", "never_closes:ping=0.3"])
async def test_a_finished_stream_that_stays_open_ends_well_without_the_idle_limit(upstream, wire, scenario):
    assert await text_of(wire, call(upstream, scenario)) == ["You said: hello there"]


async def test_a_stream_with_several_choices_waits_for_each_of_them(upstream, wire):
    texts = await text_of(wire, call(upstream, "never_closes", n=2))

    assert texts == ["You said: hello there", "You said: hello there (2)"]


async def test_a_stream_whose_end_comes_in_a_packet_of_its_own_keeps_its_connection(upstream, wire):
    for _ in range(3):
        await text_of(wire, call(upstream, "late_end:pause=0.01"))
    entries = upstream.ledger.of("late_end:pause=0.01")

    assert [entry.completed for entry in entries] == [True, True, True]


async def test_a_stream_that_says_done_and_stays_open_is_closed(upstream, wire):
    await text_of(wire, call(upstream, "late_end:pause=60"))

    def gone(ledger: Ledger) -> bool:
        return ledger.of("late_end:pause=60")[-1].client_gone_after is not None

    assert await asyncio.to_thread(upstream.ledger.wait_until, gone)


@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
async def test_a_choice_index_that_is_no_whole_number_is_put_right(upstream, wire, stream):
    attempt = call(upstream, "odd_index", stream=stream)

    if stream:
        assert await text_of(wire, attempt) == ["You said: hello there"]
    else:
        assert (await wire.complete(attempt)).body["choices"][0]["index"] == 0
