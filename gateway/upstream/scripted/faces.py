"""What the faces for other dialects share: a request is put into OpenAI's shape, played, and the script put back.

So every scenario of the chat face exists in every dialect. A body that breaks off, a page, a silence or a closed
connection look the same in all of them and pass as they are.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from gateway.sse import EventSplitter
from gateway.upstream.scripted.ledger import Entry
from gateway.upstream.scripted.scenarios import UnknownSetting, cast
from gateway.upstream.scripted.script import Call, Head, Part, Script, Step, json_reply
from gateway.upstream.scripted.wire import Request

if TYPE_CHECKING:
    from gateway.upstream.scripted.endpoints import Stage

Document = dict[str, Any]


class Tongue(Protocol):
    """One answer's way into a dialect. Streams call `chunk` for each event and `done` for `[DONE]`."""

    def chunk(self, chunk: Document) -> Iterator[Part]:
        """The events that say what an OpenAI chunk says."""

    def done(self) -> Iterator[Part]:
        """The events that end the stream."""

    def document(self, completion: Document) -> Document:
        """A whole answer."""

    def error(self, status: int, error: Document) -> Document:
        """The body of a refusal."""

    def error_event(self, error: Document) -> Iterator[Part]:
        """An error in the middle of a stream."""


def play(
    stage: "Stage",
    request: Request,
    entry: Entry,
    turn: int,
    document: Document,
    credential: str,
    tongue: Tongue,
) -> Script:
    """The scenario that the document's model names, as this tongue says it. `document` is in OpenAI's shape."""
    model = str(document["model"])
    call = Call(
        upstream=stage.name,
        model=model,
        request=document,
        id=f"{stage.id_prefix}{entry.number:013d}",
        created=int(stage.clock()),
        hit=stage.ledger.count_hit(model),
        turn=turn,
        head=request.head + b"\r\nauthorization: " + credential.encode("latin-1", "replace"),
    )
    entry.model, entry.stream = call.model, call.stream
    try:
        role = cast(stage.plays.get(model, model))
    except UnknownSetting as problem:
        return json_reply(tongue.error(400, {"message": str(problem)}), 400)
    entry.scenario = role.name
    return said(role.play(call), tongue)


def said(script: Script, tongue: Tongue) -> Iterator[Step]:
    """The script with its bodies and events in the tongue's dialect."""
    steps = iter(script)
    for step in steps:
        if not isinstance(step, Head):
            yield step
        elif step.content_type.startswith("text/event-stream"):
            yield step
            yield from said_events(steps, tongue)
        else:
            yield from said_body(step, next(steps, None), tongue)


def said_events(steps: Iterator[Step], tongue: Tongue) -> Iterator[Step]:
    splitter = EventSplitter()
    for step in steps:
        if not isinstance(step, Part):
            yield step
            continue
        for data in splitter.feed(step.data):
            if data == b"[DONE]":
                yield from tongue.done()
            elif isinstance(chunk := read_json(data), dict):
                error = chunk.get("error")
                yield from tongue.error_event(error) if error else tongue.chunk(chunk)
            else:
                yield Part(b"data: " + data + b"\n\n", 1)


def said_body(head: Head, body: Step | None, tongue: Tongue) -> Iterator[Step]:
    """A whole JSON body in the dialect; anything else as it is."""
    whole = isinstance(body, Part) and len(body.data) == head.length
    document = read_json(body.data) if isinstance(body, Part) and whole else None
    if isinstance(document, dict) and isinstance(document.get("error"), dict):
        document = tongue.error(head.status, document["error"])
    elif isinstance(document, dict) and document.get("choices"):
        document = tongue.document(document)
    else:
        yield head
        if body is not None:
            yield body
        return
    data = orjson.dumps(document)
    yield head._replace(length=len(data))
    yield Part(data)


def read_json(data: bytes) -> Any:
    """The parsed JSON, or None."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def first_choice(chunk: Document) -> Document:
    """The only choice that dialects without several choices have; empty in a usage chunk."""
    choices = chunk.get("choices") or [{}]
    return choices[0] if isinstance(choices[0], dict) else {}
