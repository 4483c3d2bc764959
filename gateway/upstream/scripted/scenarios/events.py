"""Scenarios whose streams reach their end, with events that are missing, doubled, misplaced or not JSON.

Asked for JSON, they leave the same things out of the document, or answer as `ok`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from gateway.upstream.scripted.completion import (
    Event,
    as_document,
    as_events,
    calling,
    compose,
    content_event,
    parts,
    usage_event,
    with_usage,
)
from gateway.upstream.scripted.scenarios.answers import WEATHER, ok, reply
from gateway.upstream.scripted.scenarios.registry import scenario
from gateway.upstream.scripted.script import (
    Call,
    Hang,
    Part,
    Script,
    Step,
    Wait,
    body_reply,
    event,
    json_reply,
    sse_reply,
)

Edit = Callable[[Event], list[Event]]

TOOL_EDITS = {
    "arguments": (b'{\\"city\\":', b"{city ="),
    "id": (b'"id":"call_', b'"was":"call_'),
    "index": (b'"index":0,"function"', b'"index":7,"function"'),
}


def edited(call: Call, edit: Edit) -> Script:
    """The stream of `ok`, each event replaced by those that `edit` returns; JSON as it is."""
    if not call.stream:
        return ok(call)
    return sse_reply(item.part for each in as_events(compose(call)) for item in edit(each))


def without(*kinds: str) -> Edit:
    return lambda item: [] if item.kind in kinds else [item]


def followed_by(kind: str, late: Event) -> Edit:
    """Puts `late` behind every event of this kind."""
    return lambda item: [item, late] if item.kind == kind else [item]


def document_without(call: Call, forget: Callable[[dict[str, Any]], Any]) -> Script:
    """The JSON answer of `ok` after `forget` has edited it."""
    document = as_document(compose(call))
    forget(document)
    return json_reply(document)


@scenario
def no_finish(call: Call, done: int = 0, only: int = -1) -> Script:
    """Ends without a finish reason; done=1 still says [DONE]; only=1 leaves it out for that choice alone."""
    if not call.stream:
        return document_without(call, lambda document: document["choices"][0].pop("finish_reason"))
    if only >= 0:
        mark = b'"index":%d,' % only
        return edited(call, lambda item: [] if item.kind == "finish" and mark in item.part.data else [item])
    return edited(call, without("finish") if done else without("finish", "usage", "done"))


@scenario
def no_done(call: Call) -> Script:
    """A whole stream with its finish reason, without [DONE]."""
    return edited(call, without("done"))


@scenario
def role_twice(call: Call) -> Script:
    """The role comes in two chunks."""
    return edited(call, lambda item: [item, item] if item.kind == "role" else [item])


@scenario
def role_never(call: Call) -> Script:
    """No chunk carries the role."""
    if not call.stream:
        return document_without(call, lambda document: document["choices"][0]["message"].pop("role"))
    return edited(call, without("role"))


@scenario
def usage_never(call: Call) -> Script:
    """No usage, even when it was asked for."""
    if not call.stream:
        return document_without(call, lambda document: document.pop("usage"))
    return edited(call, without("usage"))


@scenario
def usage_twice(call: Call) -> Script:
    """The usage chunk comes twice: first with a completion of 1 token, then as it is."""
    early = usage_event(with_usage(compose(call), 0, 1, 0, 0))
    return edited(call, lambda item: [early, item] if item.kind == "usage" else [item])


@scenario
def usage_early(call: Call) -> Script:
    """The usage chunk comes before the content."""
    early = usage_event(compose(call))
    return edited(call, lambda item: {"usage": [], "role": [item, early]}.get(item.kind, [item]))


@scenario
def id_change(call: Call) -> Script:
    """Every chunk has another id and another model."""
    if not call.stream:
        return ok(call)
    spoken = enumerate(as_events(compose(call)))
    return sse_reply(_renamed(call, number, item) for number, item in spoken)


def _renamed(call: Call, number: int, item: Event) -> Part:
    if item.kind == "done":
        return item.part
    document = orjson.loads(item.part.data[len("data: ") :])
    return event(orjson.dumps(document | {"id": f"{call.id}-{number}", "model": f"model-{number}"}))


@scenario
def odd_tools(call: Call, odd: str = "arguments") -> Script:
    """A tool call that is odd: odd=arguments (not JSON), id (none), index (jumps to 7)."""
    answer = calling(call, [WEATHER])
    old, new = TOOL_EDITS.get(odd, TOOL_EDITS["arguments"])
    if not call.stream:
        return body_reply(orjson.dumps(as_document(answer)).replace(old, new))
    return sse_reply(Part(part.data.replace(old, new), part.events) for part in parts(as_events(answer)))


@scenario
def tools_at_zero(call: Call, calls: int = 2) -> Script:
    """Several tool calls side by side, all with the index 0; only their ids tell them apart."""
    answer = calling(call, [WEATHER] * calls)
    if not call.stream:
        return reply(answer)
    return sse_reply(_at_zero(part, calls) for part in parts(as_events(answer)))


def _at_zero(part: Part, calls: int) -> Part:
    data = part.data
    for index in range(1, calls):
        data = data.replace(b',"index":%d}' % index, b',"index":0}').replace(
            b'[{"index":%d,' % index, b'[{"index":0,'
        )
    return Part(data, part.events)


@scenario
def not_json_event(call: Call, after: int = 1, pause: float = 0.0) -> Script:
    """After `after` pieces and `pause` seconds an event arrives that is not JSON; the stream goes on behind it."""
    return sse_reply(_with_garbage(call, after, pause)) if call.stream else ok(call)


def _with_garbage(call: Call, after: int, pause: float) -> Iterator[Step]:
    seen = 0
    for item in as_events(compose(call)):
        if item.kind in ("content", "finish"):
            if seen == after:
                yield Wait(pause)
                yield event(b"{not json")
            seen += 1
        yield item.part


@scenario
def after_done(call: Call, stay: int = 0) -> Script:
    """One more piece of content arrives after [DONE]; stay=1 leaves the stream open behind it."""
    script = edited(call, followed_by("done", content_event(call, "late")))
    return [*script, Hang()] if stay and call.stream else script


@scenario
def after_finish(call: Call, stay: int = 0) -> Script:
    """One more piece of content arrives after the finish reason; stay=1 leaves the stream open behind [DONE]."""
    script = edited(call, followed_by("finish", content_event(call, "late")))
    return [*script, Hang()] if stay and call.stream else script


@scenario
def json_for_stream(call: Call) -> Script:
    """A whole JSON completion although a stream was asked for."""
    return json_reply(as_document(compose(call)))


@scenario
def sse_for_json(call: Call, mb: int = 0) -> Script:
    """A stream although JSON was asked for, behind `mb` megabytes of comments."""
    lead = [Part(b": " + b"x" * 999_996 + b"\n\n")] * mb
    return sse_reply([*lead, *parts(as_events(compose(call)))])
