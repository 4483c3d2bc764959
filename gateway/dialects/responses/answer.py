"""The response object: its frame, its usage, and a whole chat completion said as one."""

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from gateway.dialects.dialect import ModelRequest
from gateway.dialects.responses.items import CustomCall, FunctionCall, Item, Message, OpenItem, Reasoning
from gateway.dialects.responses.tools import Called, called_tools
from gateway.errors import GatewayError
from gateway.usage import Usage, count, detail, read_usage
from gateway.uuid7 import new_id, time_of

# A finish reason that leaves the answer incomplete → why, in this dialect.
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
ECHOED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "temperature": None,
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "user": None,
}


def new_response(request: ModelRequest, model: str) -> dict[str, Any]:
    """A response in progress, still without output; its `created_at` is when its id was made."""
    id, asked = new_id(), request.payload
    created: datetime = time_of(UUID(id))
    return {
        "id": f"resp_{id.replace('-', '')}",
        "object": "response",
        "created_at": int(created.timestamp()),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "model": model,
        "output": [],
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None, **asked.get("reasoning", {})},
        "store": False,
        "text": {"format": {"type": "text"}, **asked.get("text", {})},
        "truncation": "disabled",
        "usage": None,
        **{name: asked.get(name, otherwise) for name, otherwise in ECHOED.items()},
    }


def finished(response: dict[str, Any], output: list[Item], finish: str, usage: Any) -> dict[str, Any]:
    """The response at its end: complete, or incomplete for a reason."""
    reason = INCOMPLETE.get(finish)
    return {
        **response,
        "status": status_of(finish),
        "incomplete_details": {"reason": reason} if reason else None,
        "output": output,
        "usage": response_usage(usage) if isinstance(usage, dict) else None,
    }


def failed(response: dict[str, Any], output: list[Item], error: GatewayError) -> dict[str, Any]:
    """The response as far as it came. The code is one of those that clients know."""
    code = "rate_limit_exceeded" if error.status == 429 else "server_error"
    return {
        **response,
        "status": "failed",
        "output": output,
        "error": {"code": code, "message": error.message},
    }


def status_of(finish: str) -> str:
    """The status that a finish reason gives the response and its last items."""
    return "incomplete" if finish in INCOMPLETE else "completed"


def response_usage(raw: dict[str, Any]) -> dict[str, Any] | None:
    """A chat's usage as a response's; None when it does not tell both directions."""
    usage = read_usage(raw)
    if usage is None:
        return None
    whole_input = usage.input + usage.cached
    return {
        "input_tokens": whole_input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": whole_input + usage.output,
    }


def read_response_usage(raw: dict[str, Any]) -> Usage | None:
    """A response's usage; None when it does not tell both directions. A detail above its whole counts as absent."""
    whole_input, output = count(raw.get("input_tokens")), count(raw.get("output_tokens"))
    if whole_input is None or output is None:
        return None
    cached = detail(raw, "input_tokens_details", "cached_tokens")
    cached = cached if cached <= whole_input else 0
    reasoning = detail(raw, "output_tokens_details", "reasoning_tokens")
    return Usage(whole_input - cached, cached, output, min(reasoning, output), raw)


def response_of(completion: dict[str, Any], request: ModelRequest) -> dict[str, Any]:
    """A checked chat completion as a response: thoughts, message, calls."""
    choice = completion["choices"][0]
    finish = choice.get("finish_reason") or "stop"
    items = items_of(choice["message"], called_tools(request.payload))
    output = [item.whole("completed") for item in items[:-1]]
    output += [item.whole(status_of(finish)) for item in items[-1:]]
    response = new_response(request, completion["model"])
    return finished(response, output, finish, completion.get("usage"))


def items_of(message: dict[str, Any], tools: dict[str, Called]) -> list[OpenItem]:
    """The output items of a chat message."""
    items: list[OpenItem] = []
    thoughts, text, refusal = texts_of(message)
    if thoughts:
        reasoning = Reasoning(0)
        reasoning.add(thoughts)
        items.append(reasoning)
    if text or refusal:
        said = Message(len(items))
        for value, kind in ((text, "output_text"), (refusal, "refusal")):
            if value:
                said.add(value, kind)
        items.append(said)
    for call in calls_of(message):
        item = call_item(call, len(items), tools)
        item.add(arguments_of(call))
        items.append(item)
    return items


def texts_of(message: dict[str, Any]) -> tuple[str, str, str]:
    """Thoughts, text and refusal of a chat message or delta; empty where there is none."""
    thoughts = message.get("reasoning_content") or message.get("reasoning")
    return text_in(thoughts), text_in(message.get("content")), text_in(message.get("refusal"))


def text_in(value: Any) -> str:
    """A string, or the joined text of a list of parts."""
    if isinstance(value, list):
        texts = [part.get("text") for part in value if isinstance(part, dict)]
        return "".join(text for text in texts if isinstance(text, str))
    return value if isinstance(value, str) else ""


def calls_of(message: dict[str, Any]) -> list[dict[str, Any]]:
    """The tool calls of a chat message or delta."""
    calls = message.get("tool_calls")
    return [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []


def call_item(call: dict[str, Any], index: int, tools: dict[str, Called]) -> FunctionCall:
    """The item that a chat's tool call, or the first delta of one, begins."""
    function = call.get("function")
    name = text_in(function.get("name")) if isinstance(function, dict) else ""
    tool = tools.get(name) or Called(name)
    kind = CustomCall if tool.custom else FunctionCall
    return kind(index, text_in(call.get("id")), tool)


def arguments_of(call: dict[str, Any]) -> str:
    """The arguments of a tool call or of a delta; some upstreams send them as an object."""
    function = call.get("function")
    arguments = function.get("arguments") if isinstance(function, dict) else None
    return orjson.dumps(arguments).decode() if isinstance(arguments, dict) else text_in(arguments)
