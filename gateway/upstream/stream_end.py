"""Whether an upstream's answer really ended, read from its own bytes, whatever dialect they are in.

litellm makes up a finish reason for a stream that just stops. What the upstream itself said tells the difference.
"""

from collections.abc import Iterator
from typing import Any

import orjson

from gateway.sse import EventSplitter, EventTooLarge
from gateway.upstream import classify
from gateway.upstream.litellm_usage import is_whole, told_usage
from routing.engine.outcome import Fault, Outcome

MAX_DOCUMENT = 32 * 1024 * 1024
CLOSING_TYPES = ("message_stop", "message-end")
BLOCKED = Outcome(Fault.REQUEST, "content_filter", 200)
# Gemini stopped because of what the model wrote; litellm calls it an ordinary stop.
FAILED_FINISHES = (
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "MISSING_THOUGHT_SIGNATURE",
    "TOO_MANY_TOOL_CALLS",
    "UNEXPECTED_TOOL_CALL",
)


class StreamEnd:
    """One answer's state: fed with a stream's bytes as they arrive, or with a whole JSON answer.

    `finished`: the upstream has said why it stopped. `problem`: it has said or sent something that breaks the
    answer. `saw_usage`: it has told what was used, in figures that can be read.
    """

    def __init__(self, credential: str = "") -> None:
        self._credential = credential
        self.finished = False
        self.problem: Outcome | None = None
        self._splitter = EventSplitter()
        self._document: bytearray | None = None  # a body of JSON instead of events
        self._open: set[int] = set()
        self._told: dict[str, bool] = {}
        self._began = False

    @property
    def saw_usage(self) -> bool:
        """Whether both directions have been told, and nothing unreadable has followed."""
        return is_whole(self._told)

    def take_whole(self, document: dict[str, Any]) -> Outcome | None:
        """A JSON answer; what breaks it, or None."""
        self._take(document)
        return self.problem

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""
        if not self._began and (start := piece.lstrip()[:1]):
            self._began = True
            if start == b"<":
                self.problem = classify.bad_response()
            if start in (b"{", b"["):
                self._document = bytearray()
        try:
            for event in self._events(piece):
                self._take(event)
        except (EventTooLarge, orjson.JSONDecodeError):
            self.problem = self.problem or classify.bad_response()

    def at_end(self) -> Outcome | None:
        """The verdict when no more bytes come; None when the stream is whole."""
        if self.problem is None and self._document and not self.finished:
            self._take_document(bytes(self._document))
        if self.problem is None and not self.finished:
            self.problem = classify.bad_response()
        return self.problem

    def _events(self, piece: bytes) -> Iterator[Any]:
        if self._document is None:
            for data in self._splitter.feed(piece):
                if not data.startswith(b"[DONE]"):
                    yield classify.read_json(data)
            return
        self._document += piece
        if len(self._document) > MAX_DOCUMENT:
            raise EventTooLarge
        *lines, rest = self._document.split(b"\n")
        if lines and lines[0].rstrip().endswith(b"}"):  # one object a line
            self._document = bytearray(rest)
            yield from (classify.read_json(bytes(line)) for line in lines if line.strip())

    def _take_document(self, document: bytes) -> None:
        try:
            parsed = classify.read_json(document)
        except orjson.JSONDecodeError:
            return
        for event in parsed if isinstance(parsed, list) else [parsed]:
            self._take(event)

    def _take(self, event: Any) -> None:
        if self.problem is not None or not isinstance(event, dict):
            return
        self.problem = problem_in(event, self._credential)
        if self.problem is not None:
            return
        self._told |= told_usage(event)
        self._note_choices(event)
        delta = event.get("delta")
        stopped = event.get("stop_reason") or (isinstance(delta, dict) and delta.get("stop_reason"))
        if event.get("type") in CLOSING_TYPES or event.get("done") is True or stopped:
            self.finished = True

    def _note_choices(self, event: dict[str, Any]) -> None:
        choices = event.get("choices") or event.get("candidates")
        finished = False
        for place, choice in enumerate(choices if isinstance(choices, list) else ()):
            if not isinstance(choice, dict):
                continue
            index = choice["index"] if type(choice.get("index")) is int else place
            if choice.get("finish_reason") or choice.get("finishReason"):
                self._open.discard(index)
                finished = True
            else:
                self._open.add(index)
        if choices:
            self.finished = (finished or self.finished) and not self._open


def problem_in(event: dict[str, Any], credential: str = "") -> Outcome | None:
    """What breaks the answer in an event or a whole body: an error, a prompt that was blocked, a call gone wrong.

    `credential` is ours, in case the text repeats it.
    """
    error = event.get("error")
    if error or event.get("type") == "error":
        error = error if isinstance(error, dict) else {"message": str(error)}
        return classify.classify_error_object(error, credential)
    feedback = event.get("promptFeedback")
    if isinstance(feedback, dict) and feedback.get("blockReason"):
        return BLOCKED
    candidates = event.get("candidates")
    if isinstance(candidates, list) and any(map(has_failed, candidates)):
        return classify.bad_response()
    return None


def has_failed(candidate: Any) -> bool:
    """Whether one of Gemini's candidates ended in something that no client can use."""
    return isinstance(candidate, dict) and candidate.get("finishReason") in FAILED_FINISHES
