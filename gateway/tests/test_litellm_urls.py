"""What stands in a model's name or comes from litellm leads nowhere but below the provider's own base URL."""

from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.errors import AttemptFailed
from gateway.tests.litellm_client import PREFIXES, answer, call_at, opened_wire
from gateway.upstream.addresses import AddressRules
from gateway.upstream.litellm_transport import CallEnded, Exchange
from gateway.upstream.litellm_wire import LiteLLMWire
from gateway.upstream.scripted import ScriptedUpstream
from gateway.upstream.sessions import Sessions
from routing.addresses import AllowedUpstreams
from routing.engine.health import Health
from routing.engine.outcome import Fault

every_prefix = pytest.mark.parametrize("prefix", PREFIXES, ids=["anthropic", "gemini"])


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    upstream = await ScriptedUpstream.start()
    yield upstream
    await upstream.stop()


@pytest.fixture
async def wire() -> AsyncIterator[LiteLLMWire]:
    async with opened_wire() as wire:
        yield wire


@pytest.fixture
async def sessions() -> AsyncIterator[Sessions]:
    sessions = Sessions(AddressRules(AllowedUpstreams(loopback=True)))
    yield sessions
    await sessions.close()


@every_prefix
@pytest.mark.parametrize(
    "model",
    [
        "ge/../../admin",
        "..",
        "../admin",
        "ge/./admin",
        "ge/%2e%2e/admin",
        "ge%2Fadmin",
        "a?b=c",
        "a#",
        "a\\..\\b",
        "a b",
        "a\tb",
        "a\nb",
        "a\x00b",
        "a\x85b",
    ],
)
async def test_a_model_name_that_leads_elsewhere_in_a_url_is_not_sent(wire, upstream, prefix, model):
    call = call_at(upstream, prefix, model)

    with pytest.raises(AttemptFailed) as caught:
        await wire.complete(call)

    assert caught.value.outcome.fault is Fault.CAPABILITY
    assert Health().after(call.deployment, caught.value.outcome, now=0.0) == Health()
    assert upstream.ledger.connections.accepted == 0


@every_prefix
@pytest.mark.parametrize("model", ["tuned/rain-1.5", "rain..1", "rain:7b@2", "a/b/c", ".rain", "grüße"])
async def test_any_other_model_name_is(wire, upstream, prefix, model):
    found = await answer(wire, call_at(upstream, prefix, model))

    assert found["message"]["content"] == "You said: hello there"


@pytest.mark.parametrize(
    "path",
    [
        "/admin:generateContent",
        "/v1betamax/models/x:generateContent",
        "/v1beta/models/%2e%2e/%2E%2e/admin",
        "/v1beta/models/..%2f..%2fadmin",
        "/v1beta/models/%252e%252e/admin",
        "/v1beta/models/%2e%2e%5cadmin",
    ],
)
async def test_a_request_outside_the_base_url_is_not_sent(sessions, upstream, path):
    base = f"http://{upstream.host}:{upstream.port}/v1beta"
    exchange = Exchange(call_at(upstream, "gemini/"), sessions, base, stream=False)

    with pytest.raises(CallEnded):
        await exchange.send(httpx.Request("POST", base.removesuffix("/v1beta") + path, content=b"{}"))

    assert not exchange.sent
    assert upstream.ledger.connections.accepted == 0
