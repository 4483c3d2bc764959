"""Scenarios in which the upstream does its work, quickly or slowly, and the pieces that others build on."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from gateway.upstream.scripted.completion import (
    Answer,
    as_document,
    as_events,
    calling,
    compose,
    content_event,
    finish_event,
    parts,
    role_event,
    saying,
    usage_event,
    with_usage,
)
from gateway.upstream.scripted.conversation import functions, user_words, wants_usage
from gateway.upstream.scripted.demo import demo_answer
from gateway.upstream.scripted.scenarios.registry import scenario
from gateway.upstream.scripted.script import (
    DONE,
    SSE_HEAD,
    Call,
    Part,
    Script,
    Step,
    Wait,
    json_reply,
    sse_reply,
)

WEATHER: dict[str, Any] = {"name": "get_weather", "parameters": {"properties": {"city": {"const": "Paris"}}}}


def counting(pieces: int) -> str:
    """A text of exactly this many pieces, numbered so that a missing one is seen."""
    return " ".join(f"w{number}" for number in range(1, pieces + 1))


def reply(answer: Answer) -> Script:
    """The answer in the shape that the request asked for, at once."""
    if not answer.call.stream:
        return json_reply(as_document(answer))
    return sse_reply(parts(as_events(answer)))


def paced(answer: Answer, pause: float) -> Iterator[Step]:
    """The answer's events, with a pause before each that carries content or reasoning."""
    for item in as_events(answer):
        if pause and item.kind in ("content", "reasoning"):
            yield Wait(pause)
        yield item.part


@scenario
def ok(
    call: Call, text: str = "", prompt: int = 0, completion: int = 0, cached: int = 0, reasoning: int = 0
) -> Script:
    """Answers at once: `text`, else echo, tool calls or JSON as the request has it; figures set the usage."""
    answer = saying(call, text) if text else compose(call)
    if prompt or completion or cached or reasoning:
        answer = with_usage(answer, prompt, completion, cached, reasoning)
    return reply(answer)


@scenario
def slow(call: Call, first: float = 0.5, chunk: float = 0.02, chunks: int = 50, head: int = 0) -> Script:
    """Waits `first` seconds, then sends `chunks` pieces, `chunk` seconds apart; head=1: the head at once."""
    if not call.stream:
        yield Wait(first + chunk * (chunks - 1))
        yield from json_reply(as_document(saying(call, counting(chunks))))
        return
    if head:
        yield SSE_HEAD
    yield Wait(first)
    if not head:
        yield SSE_HEAD
    yield role_event(call).part
    yield from _counted_chunks(call, chunks, chunk)
    yield finish_event(call).part
    if wants_usage(call.request):
        yield usage_event(saying(call, counting(chunks))).part
    yield DONE


def _counted_chunks(call: Call, chunks: int, pause: float) -> Iterator[Step]:
    """Numbered chunks cut from one template: with hundreds of streams, encoding each would cost the most."""
    template = numbered_template(call)
    for number in range(1, chunks + 1):
        yield Part(template % number, 1)
        if number < chunks:
            yield Wait(pause)


def numbered_template(call: Call) -> bytes:
    """A content event with a place for its number."""
    data = content_event(call, "number").part.data.replace(b"%", b"%%")
    return data.replace(b'"content":"number"', b'"content":"w%d "')


@scenario
def demo(call: Call, chunk: float = 0.03) -> Script:
    """Introduces RainyModel to a newcomer, word by word, with the user's own words in it."""
    answer = compose(call, demo_answer(user_words(call.request)))
    return sse_reply(paced(answer, chunk)) if call.stream else reply(answer)


@scenario
def tools(call: Call, calls: int = 1) -> Script:
    """Answers with `calls` tool calls: of the request's tools in turn, else of `get_weather`."""
    offered = functions(call.request) or [WEATHER]
    return reply(calling(call, [offered[turn % len(offered)] for turn in range(calls)]))


@scenario
def reasoning(call: Call, pieces: int = 5, pause: float = 0.0) -> Script:
    """Thinks first, in `pieces` deltas of `reasoning_content`, then echoes."""
    answer = compose(call)
    usage = replace(answer.usage, completion=answer.usage.completion + pieces, reasoning=pieces)
    answer = replace(answer, reasoning=counting(pieces), usage=usage)
    return sse_reply(paced(answer, pause)) if call.stream else reply(answer)
