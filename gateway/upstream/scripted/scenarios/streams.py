"""Scenarios in which a stream stops early, stalls, fails or never ends.

Asked for JSON, those that stop midway stop in the middle of the body.
"""

from collections.abc import Iterator
from itertools import count

import orjson

from gateway.upstream.scripted.completion import (
    as_document,
    as_events,
    compose,
    content_event,
    finish_event,
    role_event,
    saying,
    words,
)
from gateway.upstream.scripted.scenarios.answers import counting, numbered_template, ok
from gateway.upstream.scripted.scenarios.registry import scenario
from gateway.upstream.scripted.script import (
    DONE,
    SSE_HEAD,
    Call,
    Cut,
    Hang,
    Head,
    Part,
    Script,
    Step,
    Wait,
    error_document,
    event,
    json_reply,
)

OVERLOADED = error_document("The engine is currently overloaded.", "server_error", "overloaded")


def beginning(call: Call, after: int) -> Iterator[Step]:
    """A stream's head, role and first `after` pieces; or a JSON answer's head and half its body."""
    if call.stream:
        yield SSE_HEAD
        yield role_event(call).part
        for piece in words(counting(after)):
            yield content_event(call, piece).part
    else:
        body = orjson.dumps(as_document(saying(call, counting(max(after, 1)))))
        yield Head(200, length=len(body))
        yield Part(body[: len(body) // 2])


@scenario
def cut(call: Call, after: int = 3, how: str = "rst", pause: float = 0.02) -> Iterator[Step]:
    """Breaks off after `after` pieces: how=rst as a crash does, how=fin politely."""
    yield from beginning(call, after)
    # A reset may overtake bytes that the peer has not read yet; the pause lets them arrive.
    yield Wait(pause)
    yield Cut(how)


@scenario
def stall(call: Call, after: int = 2) -> Iterator[Step]:
    """Sends `after` pieces, then nothing more, and keeps the connection open."""
    yield from beginning(call, after)
    yield Hang()


@scenario
def never_closes(call: Call, ping: float = 0.0) -> Script:
    """A stream that says all up to its finish reason and stays open; `ping` seconds apart come comments, if any."""
    return _never_closes(call, ping) if call.stream else ok(call)


def _never_closes(call: Call, ping: float) -> Iterator[Step]:
    yield SSE_HEAD
    yield from (item.part for item in as_events(compose(call)) if item.kind not in ("usage", "done"))
    while ping:
        yield Wait(ping)
        yield Part(b": ping\n\n")
    yield Hang()


@scenario
def late_end(call: Call, pause: float = 0.02) -> Script:
    """A stream whose body ends `pause` seconds after [DONE], in a packet of its own."""
    return _late_end(call, pause) if call.stream else ok(call)


def _late_end(call: Call, pause: float) -> Iterator[Step]:
    yield SSE_HEAD
    yield from (item.part for item in as_events(compose(call)))
    yield Wait(pause)


@scenario
def error_first(call: Call) -> Script:
    """Status 200, and the first event is an error object."""
    if not call.stream:
        return json_reply(OVERLOADED)
    return SSE_HEAD, event(orjson.dumps(OVERLOADED)), DONE


@scenario
def error_after(call: Call, after: int = 2, pause: float = 0.0) -> Script:
    """An error object arrives as an event after `after` pieces and `pause` seconds."""
    if not call.stream:
        return json_reply(OVERLOADED)
    return *beginning(call, after), Wait(pause), event(orjson.dumps(OVERLOADED)), DONE


@scenario
def empty_sse(call: Call) -> Script:
    """A stream that ends without an event."""
    return (SSE_HEAD,)


@scenario
def only_done(call: Call) -> Script:
    """A stream whose only event is `[DONE]`."""
    return SSE_HEAD, DONE


@scenario
def endless(call: Call, chunk: float = 0.0, kb: int = 0) -> Script:
    """Never ends: numbered pieces, `chunk` seconds apart (0: as fast as they are read), `kb` kilobytes large."""
    return _endless(call, chunk, kb) if call.stream else ok(call)


def _endless(call: Call, pause: float, kb: int) -> Iterator[Step]:
    yield SSE_HEAD
    yield role_event(call).part
    template = numbered_template(call).replace(b"w%d ", b"w%d " + b"x" * (1024 * kb))
    for number in count(1):
        yield Part(template % number, 1)
        if pause:
            yield Wait(pause)


@scenario
def murmur(call: Call, after: int = 1, every: float = 0.1, times: int = 10) -> Script:
    """A stream that after `after` pieces sends nothing but comments, `times` of them, and then goes on to its end."""
    return _murmur(call, after, every, times) if call.stream else ok(call)


def _murmur(call: Call, after: int, every: float, times: int) -> Iterator[Step]:
    yield SSE_HEAD
    for place, item in enumerate(as_events(compose(call))):
        if place == after + 1:
            for _ in range(times):
                yield Wait(every)
                yield Part(b": PROCESSING\n\n")
        yield item.part


@scenario
def big_event(call: Call, mb: float = 2.0, after: int = 0, pause: float = 0.05) -> Script:
    """One piece of `mb` megabytes, behind `after` small ones and a pause."""
    text = "x" * int(mb * 1_000_000)
    if not call.stream:
        return ok(call, text=text)
    lead = [content_event(call, piece).part for piece in words(counting(after))] if after else []
    return (
        SSE_HEAD,
        role_event(call).part,
        *lead,
        Wait(pause if after else 0.0),
        content_event(call, text).part,
        finish_event(call).part,
        DONE,
    )
