"""Answers as real providers shape them, played from files: a head, an empty line, and the body as it is."""

import re
from collections.abc import Iterator
from pathlib import Path

from gateway.upstream.scripted.scenarios.registry import scenario
from gateway.upstream.scripted.script import Call, Head, Part, Script, Step, Wait

SAMPLES = Path(__file__).resolve().parents[3] / "tests" / "recorded"
NAME = re.compile(r"[a-z0-9-]+")
# Empty lines alone, then each event; a line of JSON is one piece.
PIECES = re.compile(rb"\n+|(?:.+\n)+\n?|.+")


@scenario
def recorded(call: Call, name: str = "openai-answer", pause: float = 0.0) -> Script:
    """Plays tests/recorded/NAME.sse.http for a stream where it exists, else NAME.http; `pause` s between its pieces."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of a sample")
    status, fields, body = read_sample(path_of(name, stream=call.stream))
    content_type = fields.pop("content-type")
    return _played(Head(status, content_type, tuple(fields.items())), body, pause)


def path_of(name: str, *, stream: bool) -> Path:
    """The file of a sample: the stream's own where there is one."""
    streamed = SAMPLES / f"{name}.sse.http"
    return streamed if stream and streamed.exists() else SAMPLES / f"{name}.http"


def read_sample(path: Path) -> tuple[int, dict[str, str], bytes]:
    """Status, header fields and body of a sample."""
    head, _, body = path.read_bytes().partition(b"\n\n")
    first, *lines = head.decode("ascii").splitlines()
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines), body


def _played(head: Head, body: bytes, pause: float) -> Iterator[Step]:
    yield head
    for piece in PIECES.findall(body):
        yield Part(piece, piece.startswith(b"data:"))
        if pause:
            yield Wait(pause)
