"""An answer that a test writes itself, in whatever dialect the upstream is asked in."""

import orjson

from gateway.upstream.scripted.scenarios.registry import scenario
from gateway.upstream.scripted.script import Call, Script, body_reply

# Of no type that a face would put into its own dialect.
STREAM_TYPE = "application/octet-stream"


@scenario
def verbatim(call: Call, answer: str = "{}", events: str = "[]") -> Script:
    """Plays `answer`, a JSON body, as it is; a stream plays `events`, a JSON list of the events' data."""
    if not call.stream:
        return body_reply(answer.encode())
    lines = (b"data: " + orjson.dumps(event) + b"\n\n" for event in orjson.loads(events))
    return body_reply(b"".join(lines), content_type=STREAM_TYPE)
