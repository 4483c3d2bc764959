"""Tools that a client groups in namespaces, as Codex does: flat for a chat, and the client's own names in the calls."""

from typing import Any

import orjson
import pytest
from openai.types.responses import Response

from gateway.dialects.dialect import ModelRequest
from gateway.dialects.responses import Responses
from gateway.upstream.chunks import ChunkCheck

DIALECT = Responses()
SPAWN = {"type": "function", "name": "spawn", "description": "Starts one.", "parameters": {"type": "object"}}
PATCH = {"type": "custom", "name": "patch"}
AGENTS = {"type": "namespace", "name": "agents", "description": "Helpers.", "tools": [SPAWN, PATCH]}
ALONE = {"type": "function", "name": "spawn", "parameters": {"type": "object"}}


def asked(**fields: Any) -> ModelRequest:
    return DIALECT.parse(orjson.dumps({"model": "m", "input": "hi", "tools": [AGENTS, ALONE], **fields}))


def functions(request: ModelRequest) -> list[dict[str, Any]]:
    assert request.chat is not None
    return [tool["function"] for tool in request.chat["tools"]]


def chat_call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def test_the_tools_of_a_namespace_are_functions_with_both_names():
    told = functions(asked())

    assert [function["name"] for function in told] == ["agents__spawn", "agents__patch", "spawn"]
    assert told[0]["description"] == "agents: Helpers.\n\nStarts one."
    assert told[0]["parameters"] == {"type": "object"}
    assert told[1]["parameters"]["required"] == ["input"]


def test_a_name_too_long_for_a_chat_is_cut_and_stays_distinct():
    members = [SPAWN | {"name": f"{'long_' * 12}{which}"} for which in ("one", "two")]
    names = [each["name"] for each in functions(asked(tools=[AGENTS | {"tools": members}]))]

    assert [len(name) for name in names] == [64, 64]
    assert names[0] != names[1]


def test_an_earlier_call_is_said_by_the_name_that_the_chat_has():
    call = {
        "type": "function_call",
        "call_id": "a",
        "namespace": "agents",
        "name": "spawn",
        "arguments": "{}",
    }
    output = {"type": "function_call_output", "call_id": "a", "output": "done"}
    request = asked(input=[call, output])

    assert request.chat is not None
    assert request.chat["messages"][0]["tool_calls"] == [chat_call("a", "agents__spawn", "{}")]


def test_a_call_comes_back_with_its_namespace():
    calls = [
        chat_call("a", "agents__spawn", "{}"),
        chat_call("b", "agents__patch", '{"input":"x"}'),
        chat_call("c", "spawn", "{}"),
    ]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    completion = {"id": "c", "model": "m", "created": 5, "choices": [choice]}
    output = Response.model_validate(DIALECT.from_chat(completion, asked())).to_dict()["output"]

    assert [(item["type"], item.get("namespace"), item["name"]) for item in output] == [
        ("function_call", "agents", "spawn"),
        ("custom_tool_call", "agents", "patch"),
        ("function_call", None, "spawn"),
    ]


@pytest.mark.parametrize(("name", "namespace"), [("agents__spawn", "agents"), ("spawn", None)])
def test_a_streamed_call_comes_back_with_its_namespace(name: str, namespace: str | None):
    check = ChunkCheck("m", 1000)
    delta = {"tool_calls": [{"index": 0, **chat_call("a", name, "{}")}]}
    choice = {"index": 0, "delta": delta, "finish_reason": "tool_calls"}
    chunk = check.take({"id": "x", "choices": [choice]})
    encoder = DIALECT.encoder(asked(stream=True), "m", translated=True)
    frames = (encoder.events([chunk] if chunk else []) + encoder.end()).split(b"\n")
    events = [orjson.loads(line[6:]) for line in frames if line.startswith(b"data: ")]
    items = [event["item"] for event in events if "item" in event] + events[-1]["response"]["output"]

    assert [(item.get("namespace"), item["name"]) for item in items] == [(namespace, "spawn")] * 3
