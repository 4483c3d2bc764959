"""Large requests: read in time that grows with their size and no faster, and without holding up the others."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from gateway.dialects.registry import DIALECTS
from gateway.errors import BadRequest
from gateway.pipeline import LARGE_BODY, parse

GROWTH = 8  # a larger body by this factor; work that grows with the square takes 64 times as long


def allowed_tools(size: int) -> dict[str, Any]:
    tools = [{"type": "function", "name": f"f{number}", "parameters": {}} for number in range(1000)]
    others = [{"type": "function", "name": f"g{number}"} for number in range(size * 20)]
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [tools[0], *others]}
    return {"input": "hi", "tools": tools, "tool_choice": choice}


def system_items(size: int) -> dict[str, Any]:
    return {"input": [{"role": "system", "content": "word " * 10}] * (size * 30)}


def required_names(size: int) -> dict[str, Any]:
    names = [f"name{number}" for number in range(size * 20)]
    schema = {"type": "object", "additionalProperties": False, "required": names[::-1]}
    schema["properties"] = {name: {"type": "string"} for name in names}
    output = {"format": {"type": "json_schema", "schema": schema}}
    return {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9, "output_config": output}


def seconds_for(dialect: str, fields: dict[str, Any]) -> float:
    """The least CPU time of three readings."""
    body = orjson.dumps({"model": "m", **fields})
    taken = []
    for _ in range(3):
        began = time.process_time()
        DIALECTS[dialect].parse(body)
        taken.append(time.process_time() - began)
    return min(taken)


@pytest.mark.parametrize(
    ("dialect", "fields"),
    [("responses", allowed_tools), ("responses", system_items), ("messages", required_names)],
    ids=["allowed-tools", "system-items", "required-names"],
)
def test_a_larger_body_takes_longer_in_proportion(dialect: str, fields: Callable[[int], dict[str, Any]]):
    small, large = seconds_for(dialect, fields(50)), seconds_for(dialect, fields(50 * GROWTH))

    assert large / small < 3 * GROWTH


@pytest.mark.fault("C24")
@pytest.mark.parametrize("place", [None, "metadata"], ids=["top-level", "inside"])
def test_100_000_fields_are_refused_in_50_milliseconds(place: str | None):
    fields = {f"k{number}": number for number in range(100_000)}
    body = orjson.dumps({place: fields} if place else fields)
    taken = []
    for _ in range(5):
        began = time.process_time()
        with pytest.raises(BadRequest):
            DIALECTS["chat"].parse(body)
        taken.append(time.process_time() - began)

    assert len(body) > 1_000_000
    assert min(taken) <= 0.05


@pytest.mark.fault("C24")
async def test_others_go_on_while_a_large_body_is_read():
    body = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}] * 100_000})
    assert len(body) > LARGE_BODY
    reading = asyncio.ensure_future(parse(DIALECTS["chat"].parse, body))
    turns = 0
    while not reading.done():
        turns += 1
        await asyncio.sleep(0.001)

    assert reading.result().model == "m"
    assert turns > 5
