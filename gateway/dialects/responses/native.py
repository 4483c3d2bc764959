"""Answers and streams of upstreams that speak the Responses API themselves."""

from typing import Any

from gateway.dialects.dialect import Event, ModelRequest, NotAnAnswer, RefusedInside
from gateway.dialects.responses.answer import new_response
from gateway.dialects.responses.stream import failure, frame
from gateway.errors import GatewayError
from gateway.sse import named_frame

FINAL = ("response.completed", "response.incomplete")
CALLS = ("function_call", "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call")
TEXT_NAMES = ("text", "refusal", "arguments", "input")
PART_LISTS = ("content", "summary")
HIGHEST_NUMBER = 2**53  # what every client's JSON can count to


def check_response(body: Any, model: str) -> tuple[dict[str, Any], int]:
    """A whole response under the deployment's model, and the bytes of text in it.

    Raises RefusedInside for a failed one, NotAnAnswer for anything that is none.
    """
    if not isinstance(body, dict) or body.get("object") != "response":
        raise NotAnAnswer
    if body.get("status") == "failed" or body.get("error"):
        raise RefusedInside(error_of(body.get("error")))
    output = body.get("output")
    if body.get("status") not in ("completed", "incomplete") or not isinstance(output, list):
        raise NotAnAnswer
    body["model"] = model
    return body, sum(map(item_bytes, output))


def error_of(error: Any) -> dict[str, Any]:
    """The error object of a failed response; one without words gets some."""
    if isinstance(error, dict):
        return error
    return {"code": "server_error", "message": str(error or "The upstream failed and did not say why.")}


def status_of(response: Any) -> Any:
    """What a response says of itself."""
    return response.get("status") if isinstance(response, dict) else None


def item_bytes(item: Any) -> int:
    """Bytes of text in one output item: what is said, thought, refused, and the arguments of calls."""
    if not isinstance(item, dict):
        raise NotAnAnswer
    parts = [part for name in PART_LISTS if isinstance(item.get(name), list) for part in item[name]]
    holders = [item, *(part for part in parts if isinstance(part, dict))]
    return sum(size_of(holder.get(name)) for holder in holders for name in TEXT_NAMES)


def size_of(text: Any) -> int:
    """Bytes of a string; 0 for anything else."""
    return len(text.encode("utf-8", "replace")) if isinstance(text, str) else 0


class EventCheck:
    """One event stream: begins with `response.created`, ends with a final event; events it does not know pass."""

    __slots__ = ("_begun", "_ended", "_model", "has_content", "text_bytes", "usage")

    def __init__(self, model: str) -> None:
        self._model = model
        self._begun = self._ended = False
        self.has_content = False
        self.text_bytes = 0
        self.usage: dict[str, Any] | None = None

    @property
    def complete(self) -> bool:
        """True after the final event."""
        return self._ended

    @property
    def ended(self) -> bool:
        """True after the final event: nothing follows it."""
        return self._ended

    def has_finished(self, choices: int) -> bool:
        """There is only one answer: nothing is missing once it is complete."""
        return self.complete

    def take(self, event: Event) -> Event | None:
        """The event as clients may see it. Raises NotAnAnswer, or RefusedInside."""
        kind = event.get("type")
        if not isinstance(kind, str) or not kind or not kind.isprintable():
            raise NotAnAnswer
        self._look_for_failure(kind, event)
        if self._ended:
            return None
        if kind.startswith("response."):
            self._take_place(kind)
            self._take_response(kind, event)
            self._take_content(kind, event)
        return event

    def closing(self) -> list[Event]:
        """Nothing: the final event holds the usage."""
        return []

    def _look_for_failure(self, kind: str, event: Event) -> None:
        if kind == "error":
            raise RefusedInside(error_of(event.get("error") or event))
        response = event.get("response")
        error = response.get("error") if isinstance(response, dict) else None
        if kind == "response.failed" or (kind in FINAL and (error or status_of(response) == "failed")):
            raise RefusedInside(error_of(error))

    def _take_place(self, kind: str) -> None:
        if not self._begun and kind != "response.created":
            raise NotAnAnswer
        self._begun = True

    def _take_response(self, kind: str, event: Event) -> None:
        response = event.get("response")
        if isinstance(response, dict):
            response["model"] = self._model
            if isinstance(response.get("usage"), dict):
                self.usage = response["usage"]
        elif kind == "response.created" or kind in FINAL:
            raise NotAnAnswer
        if kind in FINAL:
            self._ended = self.has_content = True

    def _take_content(self, kind: str, event: Event) -> None:
        if kind.endswith(".delta"):
            self.text_bytes += size_of(event.get("delta"))
            self.has_content = self.has_content or bool(event.get("delta"))
        elif kind == "response.output_item.added":
            item = event.get("item")
            if isinstance(item, dict) and item.get("type") in CALLS:
                self.has_content = True


class RelayEncoder:
    """Frames of the upstream's own events, their numbers as they came."""

    __slots__ = ("_next", "_response")

    def __init__(self, request: ModelRequest, model: str) -> None:
        self._response = new_response(request, model)
        self._next = 0

    def events(self, events: list[Event]) -> bytes:
        """The events in the order they came."""
        return b"".join([self._frame(event) for event in events])

    def end(self) -> bytes:
        """Nothing: the final event has been relayed."""
        return b""

    def error(self, error: GatewayError) -> bytes:
        """The two events of a failure, numbered on."""
        output = self._response["output"]
        first, last = failure(self._response, output if isinstance(output, list) else [], error)
        return frame(first, self._next) + frame(last, self._next + 1)

    def _frame(self, event: Event) -> bytes:
        number = event.get("sequence_number")
        self._next = (number if type(number) is int and 0 <= number < HIGHEST_NUMBER else self._next) + 1
        if event["type"] == "response.created":
            self._response = {"output": [], **event["response"]}
        return named_frame(event)
