"""Answers in OpenAI's shapes: one document, or the events of a stream."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, NamedTuple

import orjson

from gateway.upstream.scripted import conversation
from gateway.upstream.scripted.script import DONE, Call, Part, event

MAX_PIECES = 200


class Event(NamedTuple):
    """One event, named by what it carries: role, reasoning, content, tool, finish, usage or done."""

    kind: str
    part: Part


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: str

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "type": "function",
            "function": {"name": self.name, "arguments": self.arguments},
        }


@dataclass(frozen=True, slots=True)
class Usage:
    prompt: int
    completion: int
    cached: int = 0
    reasoning: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": self.cached},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning},
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said, before it takes a shape: one text per choice, or tool calls, and what it cost."""

    call: Call
    texts: tuple[str, ...]
    usage: Usage
    finish: str = "stop"
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""


def compose(call: Call, text: str | None = None) -> Answer:
    """Answer as a model would: with tool calls, with the JSON asked for, else with the text (or an echo)."""
    chosen = conversation.functions_to_call(call.request)
    if chosen:
        return calling(call, chosen)
    formatted = conversation.formatted(call.request)
    if formatted is not None:
        return _saying(call, [formatted], numbered=False)
    return saying(call, conversation.echo(call.request) if text is None else text)


def saying(call: Call, text: str) -> Answer:
    """This text for every choice, numbered from the second on, cut where the client's token limit says."""
    pieces = words(text)
    limit = conversation.token_limit(call.request)
    if limit is not None and limit < len(pieces):
        return _saying(call, pieces[:limit], finish="length")
    return _saying(call, pieces)


def _saying(call: Call, pieces: list[str], finish: str = "stop", numbered: bool = True) -> Answer:
    text, choices = "".join(pieces), conversation.count_choices(call.request)
    others = (f"{text} ({number})" if numbered else text for number in range(2, choices + 1))
    texts = (text, *others)
    usage = Usage(conversation.count_prompt_tokens(call.request), len(pieces) * choices)
    return Answer(call, texts, usage, finish)


def calling(call: Call, functions: list[dict[str, Any]]) -> Answer:
    """A call of each of these functions, with arguments that fit its parameters."""
    calls = tuple(
        ToolCall(
            f"call_{call.id[9:17]}{call.id[-6:]}{index:02d}",
            function["name"],
            conversation.arguments_for(function),
        )
        for index, function in enumerate(functions)
    )
    usage = Usage(conversation.count_prompt_tokens(call.request), 12 * len(calls))
    return Answer(call, ("",), usage, "tool_calls", calls)


def with_usage(answer: Answer, prompt: int, completion: int, cached: int, reasoning: int) -> Answer:
    """The same answer with these figures; 0 keeps a count as it is."""
    usage = answer.usage
    prompt = max(prompt or usage.prompt, cached)
    completion = max(completion or usage.completion, reasoning)
    return replace(answer, usage=Usage(prompt, completion, cached, reasoning))


def words(text: str) -> list[str]:
    """The text in pieces that join to it: words with the blanks behind them."""
    return re.findall(r"\S+\s*|\s+", text)


def as_document(answer: Answer) -> dict[str, Any]:
    """The answer as one JSON completion."""
    call = answer.call
    choices = [
        {"index": index, "message": _message(answer, text), "logprobs": None, "finish_reason": answer.finish}
        for index, text in enumerate(answer.texts)
    ]
    return {
        "id": call.id,
        "object": "chat.completion",
        "created": call.created,
        "model": call.model,
        "system_fingerprint": f"fp_{call.upstream}",
        "choices": choices,
        "usage": answer.usage.as_json(),
    }


def _message(answer: Answer, text: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if answer.tool_calls:
        message["content"] = None
        message["tool_calls"] = [tool_call.as_json() for tool_call in answer.tool_calls]
    if answer.reasoning:
        message["reasoning_content"] = answer.reasoning
    return message


def as_events(answer: Answer) -> Iterator[Event]:
    """The answer as a stream: role, content or tool deltas, finish, usage if asked for, `[DONE]`."""
    call = answer.call
    for index in range(len(answer.texts)):
        yield role_event(call, index)
        for piece in words(answer.reasoning):
            yield Event("reasoning", chunk(call, {"reasoning_content": piece}, index))
    yield from _content_events(answer)
    yield from _tool_events(answer)
    for index in range(len(answer.texts)):
        yield finish_event(call, answer.finish, index)
    if conversation.wants_usage(call.request):
        yield usage_event(answer)
    yield Event("done", DONE)


def parts(stream: Iterable[Event]) -> Iterator[Part]:
    return (item.part for item in stream)


def role_event(call: Call, index: int = 0) -> Event:
    return Event("role", chunk(call, {"role": "assistant", "content": "", "refusal": None}, index))


def content_event(call: Call, text: str, index: int = 0) -> Event:
    return Event("content", chunk(call, {"content": text}, index))


def finish_event(call: Call, finish: str = "stop", index: int = 0) -> Event:
    return Event("finish", chunk(call, {}, index, finish))


def usage_event(answer: Answer) -> Event:
    shell = _shell(answer.call, [])
    shell["usage"] = answer.usage.as_json()
    return Event("usage", event(orjson.dumps(shell)))


def chunk(call: Call, delta: dict[str, Any], index: int = 0, finish: str | None = None) -> Part:
    """One chunk of a stream, as an event."""
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
    return event(orjson.dumps(_shell(call, [choice])))


def _shell(call: Call, choices: list[dict[str, Any]]) -> dict[str, Any]:
    shell = {
        "id": call.id,
        "object": "chat.completion.chunk",
        "created": call.created,
        "model": call.model,
        "system_fingerprint": f"fp_{call.upstream}",
        "choices": choices,
    }
    if conversation.wants_usage(call.request):
        shell["usage"] = None
    return shell


def _content_events(answer: Answer) -> Iterator[Event]:
    """The pieces of all choices, in turn: streams of several choices arrive interleaved."""
    pieces = [_grouped(words(text)) for text in answer.texts]
    for row in zip_longest(*pieces):
        for index, piece in enumerate(row):
            if piece is not None:
                yield content_event(answer.call, piece, index)


def _tool_events(answer: Answer) -> Iterator[Event]:
    """Each call's id and name once, then its arguments in two halves, as OpenAI does."""
    for index, call in enumerate(answer.tool_calls):
        first = call.as_json() | {"index": index}
        first["function"] = {"name": call.name, "arguments": ""}
        yield Event("tool", chunk(answer.call, {"tool_calls": [first]}))
        half = (len(call.arguments) + 1) // 2
        for piece in (call.arguments[:half], call.arguments[half:]):
            delta = {"index": index, "function": {"arguments": piece}}
            yield Event("tool", chunk(answer.call, {"tool_calls": [delta]}))


def _grouped(pieces: list[str]) -> list[str]:
    """At most 200 pieces: an echo of a very long prompt should not become a hundred times its size."""
    size = -(-len(pieces) // MAX_PIECES) or 1
    return pieces if size == 1 else ["".join(pieces[at : at + size]) for at in range(0, len(pieces), size)]
