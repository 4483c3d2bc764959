"""Schemas whose references would grow without end are not given to litellm; all others are."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.errors import AttemptFailed
from gateway.tests.litellm_client import PREFIXES, answer, call_at, opened_wire
from gateway.upstream.litellm_schemas import MOST_COPIED, expansion_cost
from gateway.upstream.litellm_wire import LiteLLMWire
from gateway.upstream.scripted import ScriptedUpstream
from routing.engine.outcome import Fault

Schema = dict[str, Any]
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


def named(number: int, group: str = "$defs") -> Schema:
    return {"$ref": f"#/{group}/d{number}"}


def doubling(levels: int, group: str = "$defs") -> Schema:
    """Definitions of which each names the next one twice."""
    texts = {f"d{levels}": {"type": "string"}}
    for number in range(levels):
        both = {"a": named(number + 1, group), "b": named(number + 1, group)}
        texts[f"d{number}"] = {"type": "object", "properties": both}
    return {"type": "object", "properties": {"x": named(0, group)}, group: texts}


def tangled(count: int, group: str = "$defs") -> Schema:
    """Definitions of which each names all, itself too."""
    definitions = {
        f"d{number}": {"properties": {f"p{other}": named(other, group) for other in range(count)}}
        for number in range(count)
    }
    return {"type": "object", "properties": {"x": named(0, group)}, group: definitions}


def chained(length: int) -> Schema:
    """Definitions of which each names the next one."""
    definitions: Schema = {f"d{number}": {"items": named(number + 1)} for number in range(length)}
    return {"type": "object", "properties": {"x": named(0)}, "$defs": definitions}


def crowded(definitions: int, properties: int) -> Schema:
    """Many definitions that nobody names, and many places where litellm looks for them."""
    unused = {f"d{number}": True for number in range(definitions)}
    places = {f"p{number}": {"type": "string"} for number in range(properties)}
    return {"type": "object", "properties": places, "definitions": unused}


def shadowed() -> Schema:
    """Two definitions of every name, of which the small one would hide the large one."""
    return {**doubling(16), "definitions": {f"d{number}": {} for number in range(17)}}


def as_tool(schema: Schema) -> Schema:
    return {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}


def as_format(schema: Schema) -> Schema:
    return {
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    }


HUGE = {
    "doubling": doubling(16),
    "definitions": doubling(16, "definitions"),
    "tangled": tangled(8),
    "tangled-definitions": tangled(3, "definitions"),
    "chained": chained(100),
    "crowded": crowded(10_000, 1_000),
    "shadowed": shadowed(),
}


@every_prefix
@pytest.mark.parametrize("place", [as_tool, as_format], ids=["tool", "format"])
@pytest.mark.parametrize("schema", HUGE.values(), ids=HUGE.keys())
async def test_a_schema_that_grows_without_end_is_left_to_another_deployment(
    wire, upstream, prefix, place, schema
):
    with pytest.raises(AttemptFailed) as caught:
        await wire.complete(call_at(upstream, prefix, **place(schema)))

    assert caught.value.outcome.fault is Fault.CAPABILITY
    assert upstream.ledger.connections.accepted == 0


@every_prefix
async def test_many_tools_share_one_limit(wire, upstream, prefix):
    (one,) = as_tool(doubling(6))["tools"]
    alone = call_at(upstream, prefix, tools=[one], tool_choice="none")
    many = call_at(upstream, prefix, tools=[one] * 20)

    await wire.complete(alone)
    with pytest.raises(AttemptFailed) as caught:
        await wire.complete(many)

    assert caught.value.outcome.fault is Fault.CAPABILITY


@pytest.mark.parametrize(
    "schema",
    [
        doubling(4),
        tangled(2),
        chained(20),
        crowded(50, 500),
        {"type": "object", "properties": {f"p{number}": {"type": "string"} for number in range(20_000)}},
        {"type": "object", "properties": {"$ref": {"type": "string"}}},
    ],
    ids=["doubling", "names-itself", "chained", "crowded", "wide", "a-property-called-ref"],
)
def test_what_stays_small_is_counted_as_small(schema):
    assert expansion_cost(schema, MOST_COPIED) <= MOST_COPIED


@every_prefix
async def test_a_schema_with_references_reaches_the_model(wire, upstream, prefix):
    city = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    schema = {"type": "object", "properties": {"city": {"$ref": "#/$defs/City"}}, "$defs": {"City": city}}

    found = await answer(wire, call_at(upstream, prefix, **as_tool(schema), tool_choice="required"))

    assert found["message"]["tool_calls"][0]["function"]["name"] == "f"
