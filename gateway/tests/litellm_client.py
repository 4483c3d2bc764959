"""The litellm wire against scripted upstreams: calls in both dialects, asked as JSON or as a stream."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.upstream.addresses import AddressRules
from gateway.upstream.litellm_wire import LiteLLMWire
from gateway.upstream.scripted import ScriptedUpstream
from gateway.upstream.sessions import Sessions
from gateway.upstream.wire import UpstreamCall
from routing.addresses import AllowedUpstreams
from routing.engine.snapshot import Deployment, Provider, Tier, TimeLimits

PREFIXES = ("anthropic/", "gemini/")
# Names that litellm knows, so that it uses what these models can do; the scripted upstream answers them as `ok`.
MODELS = {"anthropic/": "claude-sonnet-4-5", "gemini/": "gemini-2.5-flash"}
CREDENTIAL = "sk-ant-not-a-real-one-1234567890"
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="


@asynccontextmanager
async def opened_wire(*, loopback: bool = True) -> AsyncIterator[LiteLLMWire]:
    wire = LiteLLMWire(Sessions(AddressRules(AllowedUpstreams(loopback=loopback))))
    try:
        yield wire
    finally:
        await wire.close()


def deployment(base_url: str, prefix: str, model: str, **fields: Any) -> Deployment:
    limits = fields.pop("limits", TimeLimits())
    provider = Provider(
        "upstream",
        "Upstream",
        wire="litellm",
        litellm_prefix=prefix,
        base_url=base_url,
        address_class="public",
    )
    return Deployment("one", provider, model, Tier("paid", "Paid", "paid", 1), limits=limits, **fields)


def call_at(
    upstream: ScriptedUpstream, prefix: str, model: str = "", *, stream: bool = False, **fields: Any
) -> UpstreamCall:
    """A call of a model at the upstream's face for the prefix; `fields` go into the body."""
    target = deployment(
        f"http://{upstream.host}:{upstream.port}",
        prefix,
        model or MODELS[prefix],
        limits=fields.pop("limits", TimeLimits()),
        parameter_policy=fields.pop("policy", ()),
    )
    payload = {"model": "any", "messages": [{"role": "user", "content": "hello there"}], **fields}
    if stream:
        payload["stream"] = True
    return UpstreamCall(target, "chat", payload, stream, CREDENTIAL, 20.0)


async def answer(wire: LiteLLMWire, call: UpstreamCall) -> dict[str, Any]:
    """The message, the finish reason, the usage and the edits, whichever way it was asked."""
    if not call.stream:
        completion = await wire.complete(call)
        choice = completion.body["choices"][0]
        return {
            "model": completion.body["model"],
            "message": choice["message"],
            "finish": choice["finish_reason"],
            "usage": completion.usage,
            "edits": completion.parameter_edits,
        }
    opened = await wire.open_stream(call)
    try:
        chunks = [chunk async for several in opened.events() for chunk in several]
    finally:
        await opened.close()
    deltas = [chunk["choices"][0] for chunk in chunks if chunk["choices"]]
    return {
        "model": chunks[0]["model"],
        "message": joined([choice["delta"] for choice in deltas]),
        "finish": next(choice["finish_reason"] for choice in deltas if choice["finish_reason"]),
        "usage": opened.usage,
        "edits": opened.parameter_edits,
    }


def joined(deltas: list[dict[str, Any]]) -> dict[str, Any]:
    """The deltas of a stream as one message."""
    calls: dict[int, dict[str, Any]] = {}
    for piece in (piece for delta in deltas for piece in delta.get("tool_calls", ())):
        kept = calls.setdefault(piece["index"], {"function": {"name": "", "arguments": ""}})
        for name in ("name", "arguments"):
            kept["function"][name] += piece["function"].get(name) or ""
    message: dict[str, Any] = {
        name: "".join(delta.get(name) or "" for delta in deltas) for name in ("content", "reasoning_content")
    }
    return message | {"tool_calls": [calls[index] for index in sorted(calls)]}
