"""How long a stream may go on: a model that has lost its way, or an upstream that means harm, never ends one."""

import math
from typing import Any

MAX_TEXT = 8 * 1024 * 1024  # bytes of text in one answer
MAX_LEADING = 8 * 1024 * 1024  # bytes of anything before the first content
SLACK = 1.2  # events for each token that was allowed; an event holds a token or more
BYTES_PER_TOKEN = 4


class Caps:
    """What one request allows. Where it set no limit of tokens, only the bytes count."""

    __slots__ = ("_bytes", "_events")

    def __init__(self, payload: dict[str, Any], choices: int) -> None:
        limit = payload.get("max_completion_tokens") or payload.get("max_tokens")
        tokens = limit * choices if type(limit) is int and limit > 0 else math.inf
        # Some upstreams send a letter at a time: only both numbers together prove that the limit is passed.
        self._events, self._bytes = tokens * SLACK, tokens * BYTES_PER_TOKEN

    def passed(self, events: int, text_bytes: int) -> bool:
        """Whether the model has gone on for longer than it was allowed to."""
        return events > self._events and text_bytes > self._bytes
