"""Scenarios that say what `ok` says in another spelling: line ends, comments, pieces. JSON is as in `ok`."""

from collections.abc import Iterator

from gateway.upstream.scripted.completion import as_events, compose, parts
from gateway.upstream.scripted.scenarios.answers import ok
from gateway.upstream.scripted.scenarios.registry import scenario
from gateway.upstream.scripted.script import Call, Part, Script, Step, Wait, sse_reply

LINE_ENDS = {"crlf": b"\r\n", "cr": b"\r", "lf": b"\n"}
BYTE_ORDER_MARK = Part(b"\xef\xbb\xbf")
COMMENT = Part(b": PROCESSING\n\n")


def spoken(call: Call) -> list[Part]:
    """The events of `ok` as they go over the wire."""
    return list(parts(as_events(compose(call))))


@scenario
def comments(call: Call, every: float = 0.0, lead: int = 1) -> Script:
    """Comments between the events, as OpenRouter sends: `lead` of them first, `every` seconds apart."""
    return sse_reply(_commented(call, every, lead)) if call.stream else ok(call)


def _commented(call: Call, every: float, lead: int) -> Iterator[Step]:
    for _ in range(lead):
        yield COMMENT
        yield Wait(every)
    for part in spoken(call):
        yield part
        if part.events:
            yield COMMENT


@scenario
def dialect(
    call: Call, eol: str = "crlf", bom: int = 0, space: int = 1, multiline: int = 0, fields: int = 0
) -> Script:
    """Legal but rare SSE: eol=lf|crlf|cr, bom=1, space=0, multiline=1 data, fields=1 (event, id, retry)."""
    if not call.stream:
        return ok(call)
    end = LINE_ENDS.get(eol, b"\n")
    prefix = b"data: " if space else b"data:"
    spelled = [_spelled(part, end, prefix, bool(multiline), bool(fields)) for part in spoken(call)]
    return sse_reply([BYTE_ORDER_MARK, *spelled] if bom else spelled)


def _spelled(part: Part, end: bytes, prefix: bytes, multiline: bool, fields: bool) -> Part:
    data = part.data[len("data: ") : -len("\n\n")]
    # A line break between two members of an object is white space in JSON, so the data means the same.
    lines = data.replace(b',"choices"', b'\n,"choices"').split(b"\n") if multiline else [data]
    block = [prefix + line + end for line in lines]
    if fields:
        block = [b"event: message" + end, b"id: 7" + end, b"retry: 10" + end, *block]
    return Part(b"".join(block) + end, part.events)


@scenario
def crlf(call: Call) -> Script:
    """Lines end in CR LF."""
    return dialect(call, eol="crlf")


@scenario
def split(call: Call, size: int = 1, pause: float = 0.0) -> Script:
    """The stream arrives in pieces of `size` bytes, whatever they cut through, `pause` seconds apart."""
    return sse_reply(_split(call, max(size, 1), pause)) if call.stream else ok(call)


def _split(call: Call, size: int, pause: float) -> Iterator[Step]:
    whole = spoken(call)
    data = b"".join(part.data for part in whole)
    for start in range(0, len(data), size):
        yield Part(data[start : start + size])
        yield Wait(pause)
    yield Part(b"", events=sum(part.events for part in whole))
