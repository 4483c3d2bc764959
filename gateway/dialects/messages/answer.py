"""A chat completion said as a message."""

import re
import secrets
from typing import Any

import orjson

from gateway.dialects.dialect import ModelRequest
from gateway.dialects.messages.settings import shows_thinking
from gateway.parse import MAX_DEPTH, deeper_than
from gateway.upstream.chunks import text_bytes
from gateway.usage import Usage, estimate_usage, read_usage

Block = dict[str, Any]
TOO_DEEP = "arguments nested too deeply"  # JSON can be read deeper than it can be written
NOT_IN_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")


def message_from_chat(completion: dict[str, Any], request: ModelRequest) -> dict[str, Any]:
    """The first choice of a checked completion as a message; usage is estimated where the upstream gave none."""
    choice = completion["choices"][0]
    message = choice["message"]
    content = content_of(message, thoughts=shows_thinking(request.payload))
    used_tools = any(block["type"] == "tool_use" for block in content)
    reason, sequence = stop_of(choice, request, used_tools=used_tools, refused=bool(message.get("refusal")))
    raw = completion.get("usage")
    usage = read_usage(raw) if isinstance(raw, dict) else None
    return {
        "id": new_message_id(),
        "type": "message",
        "role": "assistant",
        "model": completion.get("model") or request.model,
        "content": content,
        "stop_reason": reason,
        "stop_sequence": sequence,
        "usage": usage_document(usage or estimate_usage(request.input_tokens, text_bytes(message))),
    }


def content_of(message: dict[str, Any], *, thoughts: bool) -> list[Block]:
    """The blocks: thinking where it is wanted, the text, a refusal's words as text, the calls."""
    blocks: list[Block] = []
    thinking = thoughts_in(message)
    if thoughts and thinking:
        blocks.append({"type": "thinking", "thinking": thinking, "signature": ""})
    text = text_in(message)
    if text:
        blocks.append({"type": "text", "text": text})
    calls = message.get("tool_calls")
    calls = [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    return blocks + [tool_use(call, input_of(arguments_in(call))) for call in calls]


def thoughts_in(message: dict[str, Any]) -> str:
    """What a message or delta thinks; upstreams that send both fields say the same in them."""
    for name in ("reasoning_content", "reasoning"):
        if isinstance(message.get(name), str) and message[name]:
            return str(message[name])
    return ""


def text_in(message: dict[str, Any]) -> str:
    """The text of a message or delta, its text parts joined, then the words of a refusal."""
    content, refusal = message.get("content"), message.get("refusal")
    parts = content if isinstance(content, list) else [{"text": content}]
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in (*texts, refusal) if isinstance(text, str))


def tool_use(call: dict[str, Any], arguments: dict[str, Any]) -> Block:
    """The block of a call. An id that Anthropic would refuse when it comes back is made one that it takes."""
    given, function = call.get("id"), call.get("function")
    name = function.get("name") if isinstance(function, dict) else None
    return {
        "type": "tool_use",
        "id": NOT_IN_AN_ID.sub("_", given) if given and isinstance(given, str) else f"toolu_{new_id()}",
        "name": name if isinstance(name, str) else "",
        "input": arguments,
    }


def arguments_in(call: dict[str, Any]) -> str:
    """The arguments of a call or of a piece of one, as text."""
    function = call.get("function")
    arguments = function.get("arguments") if isinstance(function, dict) else None
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return TOO_DEEP if deeper_than(arguments, MAX_DEPTH) else orjson.dumps(arguments).decode()


def input_of(arguments: str) -> dict[str, Any]:
    """A call's arguments as the object that clients pass to a tool.

    No arguments are an empty object. What is not an object is kept under `_raw`: a client that checks inputs refuses
    that, and its refusal shows the model what it wrote; an empty object could run the tool as it was not meant.
    """
    if is_nothing(arguments):
        return {}
    try:
        parsed = orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return {"_raw": arguments}
    return parsed if isinstance(parsed, dict) and not deeper_than(parsed, MAX_DEPTH) else {"_raw": arguments}


def is_nothing(arguments: str) -> bool:
    """Whether a call has no arguments."""
    return arguments.strip() in ("", "null")


def stop_of(
    choice: dict[str, Any], request: ModelRequest, *, used_tools: bool, refused: bool
) -> tuple[str, str | None]:
    """Why the answer ended, and the stop sequence that did it where the upstream tells (vLLM does).

    Calls decide over `stop` and `tool_calls`: some upstreams end calls with `stop`, and a client told of `tool_use`
    without a call would wait for nobody.
    """
    finish = choice.get("finish_reason")
    if refused or finish == "content_filter":
        return "refusal", None
    if finish != "length" and used_tools:
        return "tool_use", None
    matched = choice.get("stop_reason")
    if isinstance(matched, str) and matched in request.payload.get("stop_sequences", ()):
        return "stop_sequence", matched
    return "max_tokens" if finish == "length" else "end_turn", None


def usage_document(usage: Usage) -> dict[str, int]:
    """Usage as Anthropic counts it: `input_tokens` are those that no cache had a part in."""
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.output,
    }


def new_message_id() -> str:
    """An id that no other message has."""
    return f"msg_{new_id()}"


def new_id() -> str:
    """96 random bits."""
    return secrets.token_hex(12)
