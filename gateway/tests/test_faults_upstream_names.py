"""Names: a resolver that hangs or fails, an address that serves on for a while, a name that moves to our own house."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.errors import AttemptFailed
from gateway.tests.faulty_gateway import BOTH
from gateway.tests.test_upstream_endings import CREDENTIAL, LONG
from gateway.upstream.addresses import AddressRules
from gateway.upstream.names import FRESH, LAST_GOOD, LOOKUP_LIMIT, CarefulResolver
from gateway.upstream.openai_wire import OpenAIWire
from gateway.upstream.scripted import ScriptedUpstream, scripted_upstream
from gateway.upstream.sessions import Sessions
from gateway.upstream.wire import UpstreamCall
from routing.addresses import AllowedUpstreams
from routing.engine.outcome import Fault
from routing.engine.snapshot import Deployment, Provider, Tier

OUR_OWN = ("127.0.0.1", "169.254.169.254", "10.0.0.7", "::1", "::ffff:127.0.0.1", "100.100.100.200")


class Names:
    """A name service that says what it is told to, hangs while told to, and counts."""

    def __init__(self, *addresses: str) -> None:
        self.addresses: list[str] = list(addresses)
        self.asked = 0
        self.answers = threading.Event()
        self.answers.set()

    def __call__(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        self.asked += 1
        self.answers.wait(30)
        if not self.addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port),
            )
            for address in self.addresses
        ]


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with scripted_upstream(name="sun") as running:
        yield running


def call(upstream: ScriptedUpstream, host: str, shape: str, address_class: str = "public") -> UpstreamCall:
    """One attempt at the upstream under another name."""
    url = f"http://{host}:{upstream.port}/v1"
    provider = Provider("sun", "sun", base_url=url, address_class=address_class, limits=LONG)
    deployment = Deployment("sun/it", provider, "ok", Tier("free", "Free", "free", 1), limits=LONG)
    payload = {"messages": [{"role": "user", "content": "hello"}], "stream": shape == "sse"}
    return UpstreamCall(deployment, "chat", payload, shape == "sse", CREDENTIAL, 30.0)


async def attempt(wire: OpenAIWire, asked: UpstreamCall) -> None:
    """Ask, and read the answer to its end."""
    if not asked.stream:
        await wire.complete(asked)
        return
    stream = await wire.open_stream(asked)
    async for _ in stream.events():
        pass
    await stream.close()


def wire_with(names: Names, *, loopback: bool = True) -> OpenAIWire:
    return OpenAIWire(Sessions(AddressRules(AllowedUpstreams(loopback=loopback)), names))


@pytest.mark.fault("U02")
@BOTH
async def test_a_resolver_that_hangs_fails_the_attempt_in_time_and_holds_up_nobody_else(upstream, shape):
    names = Names("127.0.0.1")
    names.answers.clear()
    wire = wire_with(names)
    waiting = [asyncio.ensure_future(attempt(wire, call(upstream, "slow.example", shape))) for _ in range(20)]
    await asyncio.sleep(0)
    await attempt(wire, call(upstream, "127.0.0.1", shape))  # an address needs no resolver
    still_waiting = not any(each.done() for each in waiting)
    async with asyncio.timeout(LOOKUP_LIMIT + 8):
        failures = await asyncio.gather(*waiting, return_exceptions=True)
    names.answers.set()
    await wire.close()

    assert still_waiting
    assert names.asked == 1
    assert LOOKUP_LIMIT == 2.0
    assert all(isinstance(each, AttemptFailed) for each in failures)
    assert {each.outcome.word for each in failures if isinstance(each, AttemptFailed)} == {"connection_error"}


@pytest.mark.fault("U02")
@BOTH
async def test_an_unknown_name_is_a_connection_that_failed(upstream, shape):
    wire = wire_with(Names())
    with pytest.raises(AttemptFailed) as raised:
        await attempt(wire, call(upstream, "no.example", shape))
    await wire.close()

    assert (raised.value.outcome.fault, raised.value.outcome.word) == (Fault.UNHEALTHY, "connection_error")


@pytest.mark.fault("U02")
@pytest.mark.parametrize("how", ["fails", "hangs"])
async def test_the_last_good_address_serves_on_for_a_minute_at_most(how):
    now = 1000.0
    names = Names("192.0.2.7")
    resolver = CarefulResolver(names, limit=0.05, clock=lambda: now)
    await resolver.resolve("up.example", 443)
    names.addresses.clear()
    if how == "hangs":
        names.answers.clear()
    now += LAST_GOOD - FRESH
    served = await resolver.resolve("up.example", 443)
    now += 1.0
    with pytest.raises(OSError, match=r"up\.example|Name or service"):
        await resolver.resolve("up.example", 443)
    names.answers.set()

    assert [each["host"] for each in served] == ["192.0.2.7"]
    assert LAST_GOOD == 60.0


async def test_an_answer_that_came_too_late_serves_the_next_who_asks():
    names = Names("192.0.2.7")
    names.answers.clear()
    resolver = CarefulResolver(names, limit=0.05)
    with pytest.raises(OSError, match="no answer"):
        await resolver.resolve("up.example", 443)
    waiting = asyncio.ensure_future(CarefulResolver.resolve(resolver, "up.example", 443))
    await asyncio.sleep(0)
    names.answers.set()

    assert [each["host"] for each in await waiting] == ["192.0.2.7"]
    assert names.asked == 1
    assert resolver.names["up.example"] == {"192.0.2.7"}


@pytest.mark.fault("U58")
@BOTH
@pytest.mark.parametrize("address", OUR_OWN)
async def test_a_name_that_now_means_an_address_of_our_own_is_not_connected_to(upstream, address, shape):
    before = upstream.ledger.connections.accepted
    wire = wire_with(Names(address), loopback=False)
    with pytest.raises(AttemptFailed) as raised:
        await attempt(wire, call(upstream, "rebound.example", shape))
    await wire.close()

    assert (raised.value.outcome.fault, raised.value.outcome.word) == (Fault.CONFIGURATION, "configuration")
    assert upstream.ledger.connections.accepted == before


@pytest.mark.fault("U58")
@BOTH
async def test_a_name_with_several_addresses_of_our_own_is_refused_all_the_same(upstream, shape):
    wire = wire_with(Names("127.0.0.1", "169.254.169.254"), loopback=False)
    with pytest.raises(AttemptFailed) as raised:
        await attempt(wire, call(upstream, "rebound.example", shape))
    await wire.close()

    assert raised.value.outcome.fault is Fault.CONFIGURATION
