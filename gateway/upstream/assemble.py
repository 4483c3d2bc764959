"""A chat that was asked for as JSON and came as an event stream: put together into the answer it should have been."""

import time
from typing import Any

import orjson

from gateway.dialects.dialect import NotAnAnswer, RefusedInside
from gateway.sse import EventSplitter, EventTooLarge
from gateway.upstream import classify
from gateway.upstream.chunks import TEXT_FIELDS, Chunk, ChunkCheck
from gateway.upstream.tool_calls import joined

STARTS = (b"data:", b"event:", b"id:", b"retry:", b":", b"\xef\xbb\xbf")


def looks_like_events(raw: bytes) -> bool:
    """Whether a body that is not JSON may be an event stream."""
    return raw.lstrip()[:8].startswith(STARTS)


def assembled(raw: bytes, model: str) -> dict[str, Any]:
    """The completion that a whole stream amounts to. Raises NotAnAnswer, or RefusedInside for an error in it."""
    check = ChunkCheck(model, int(time.time()))
    choices: dict[int, Chunk] = {}
    answer: Chunk = {}
    for event in events_in(raw):
        chunk = check.take(event)
        if chunk is not None:
            answer = {name: chunk[name] for name in ("id", "created")}
            for choice in chunk["choices"]:
                take_choice(choices.setdefault(choice["index"], empty_choice(choice["index"])), choice)
    if not check.complete:
        raise NotAnAnswer
    answer["choices"] = [finished(choices[index]) for index in sorted(choices)]
    return answer if check.usage is None else {**answer, "usage": check.usage}


def events_in(raw: bytes) -> list[dict[str, Any]]:
    """The parsed events up to [DONE]."""
    try:
        data = EventSplitter().feed(raw if raw.endswith(b"\n\n") else raw + b"\n\n")
        end = next((place for place, each in enumerate(data) if each.startswith(b"[DONE]")), len(data))
        events = [classify.read_json(each) for each in data[:end]]
    except (EventTooLarge, orjson.JSONDecodeError):
        raise NotAnAnswer from None
    for event in events:
        if not isinstance(event, dict):
            raise NotAnAnswer
        if error := event.get("error"):
            raise RefusedInside(error if isinstance(error, dict) else {"message": str(error)})
    return events


def empty_choice(index: int) -> Chunk:
    """A choice that nothing has been said of."""
    return {"index": index, "message": {"role": "assistant", "content": None}, "finish_reason": None}


def take_choice(choice: Chunk, piece: Chunk) -> None:
    """Add a delta to its choice: texts one behind the other, tool calls by their index, of the rest what came last."""
    message, delta = choice["message"], piece["delta"]
    for call in delta.pop("tool_calls", ()):
        calls = message.setdefault("tool_calls", {})
        calls[call["index"]] = joined(calls.get(call["index"], {}), call)
    for name, value in delta.items():
        before = message.get(name)
        both_texts = name in TEXT_FIELDS and isinstance(before, str) and isinstance(value, str)
        if value is not None:
            message[name] = before + value if both_texts else value
    choice["finish_reason"] = piece["finish_reason"] or choice["finish_reason"]


def finished(choice: Chunk) -> Chunk:
    """The choice as a whole answer has it: tool calls in a list, without the index that only streams need."""
    calls = choice["message"].get("tool_calls")
    if calls is not None:
        ordered = (calls[index] for index in sorted(calls))
        choice["message"]["tool_calls"] = [
            {name: value for name, value in call.items() if name != "index"} for call in ordered
        ]
    return choice
