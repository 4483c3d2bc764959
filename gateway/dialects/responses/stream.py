"""Chat chunks → the events of a response."""

from collections.abc import Iterable, Iterator
from typing import Any

from gateway.dialects.dialect import Event, ModelRequest
from gateway.dialects.responses.answer import (
    arguments_of,
    call_item,
    calls_of,
    failed,
    finished,
    new_response,
    status_of,
    texts_of,
)
from gateway.dialects.responses.items import FunctionCall, Message, OpenItem, Reasoning
from gateway.dialects.responses.tools import called_tools
from gateway.errors import GatewayError
from gateway.sse import named_frame


class TranslatingEncoder:
    """Writes a response's events: thoughts and text never open at the same time, tool calls side by side until the
    answer's end, the final event at the stream's end, when the usage is known.
    """

    __slots__ = ("_calls", "_finish", "_items", "_number", "_response", "_speech", "_tools", "_usage")

    def __init__(self, request: ModelRequest, model: str) -> None:
        self._tools = called_tools(request.payload)
        self._response = new_response(request, model)
        self._number = 0
        self._items: list[OpenItem] = []
        self._speech: Reasoning | Message | None = None
        self._calls: dict[int, FunctionCall] = {}
        self._finish = ""
        self._usage: dict[str, Any] | None = None

    def events(self, events: list[Event]) -> bytes:
        """The chunks as frames."""
        return self._frames(event for chunk in events for event in self._told(chunk))

    def end(self) -> bytes:
        """The response as a whole."""
        return self._frames(self._ending())

    def error(self, error: GatewayError) -> bytes:
        """The two events of a failure: OpenAI's own clients raise on the first, Codex on the second."""
        return self._frames(failure(self._response, self._output(), error))

    def _frames(self, events: Iterable[Event]) -> bytes:
        frames = []
        for event in events:
            frames.append(frame(event, self._number))
            self._number += 1
        return b"".join(frames)

    def _told(self, chunk: Event) -> Iterator[Event]:
        if not self._number:
            yield from self._beginning()
        if isinstance(chunk.get("usage"), dict):
            self._usage = chunk["usage"]
        for choice in chunk["choices"]:
            if not choice.get("index"):
                yield from self._told_delta(choice.get("delta") or {})
                if choice.get("finish_reason"):
                    yield from self._finishing(choice["finish_reason"])

    def _beginning(self) -> Iterator[Event]:
        yield {"type": "response.created", "response": self._response}
        yield {"type": "response.in_progress", "response": self._response}

    def _told_delta(self, delta: Event) -> Iterator[Event]:
        thoughts, text, refusal = texts_of(delta)
        if thoughts:
            speech = yield from self._speak(Reasoning)
            yield from speech.write(thoughts)
        for value, kind in ((text, "output_text"), (refusal, "refusal")):
            if value:
                message = yield from self._speak(Message)
                yield from message.write(value, kind)
        for call in calls_of(delta):
            yield from self._told_call(call)

    def _speak(self, kind: Any) -> Any:
        """The open item of this kind; another one is closed first."""
        if not isinstance(self._speech, kind):
            yield from self._fall_silent()
            self._speech = kind(len(self._items))
            self._items.append(self._speech)
            yield from self._speech.opening()
        return self._speech

    def _fall_silent(self) -> Iterator[Event]:
        speech, self._speech = self._speech, None
        if speech is not None:
            yield from speech.closing("completed")

    def _told_call(self, call: dict[str, Any]) -> Iterator[Event]:
        place = call.get("index", 0)
        if place not in self._calls:
            yield from self._fall_silent()
            self._calls[place] = call_item(call, len(self._items), self._tools)
            self._items.append(self._calls[place])
            yield from self._calls[place].opening()
        arguments = arguments_of(call)
        if arguments:
            yield from self._calls[place].write(arguments)

    def _finishing(self, finish: str) -> Iterator[Event]:
        """Closes what is open; only the last item can be the one that was cut short."""
        self._finish = finish
        last = len(self._items) - 1
        still_open = [*([self._speech] if self._speech else []), *self._calls.values()]
        self._speech, self._calls = None, {}
        for item in still_open:
            yield from item.closing(status_of(finish) if item.index == last else "completed")

    def _ending(self) -> Iterator[Event]:
        if not self._number:
            yield from self._beginning()
        if not self._finish:
            yield from self._finishing("stop")
        status = status_of(self._finish)
        response = finished(self._response, self._output(), self._finish, self._usage)
        yield {"type": f"response.{status}", "response": response}

    def _output(self) -> list[Event]:
        return [item.whole("incomplete") for item in self._items]


def failure(response: Event, output: list[Event], error: GatewayError) -> Iterator[Event]:
    """The events that end a broken stream."""
    envelope = error.envelope()
    told = {name: envelope[name] for name in ("code", "message", "param")}
    yield {"type": "error", **told, "error": envelope}
    yield {"type": "response.failed", "response": failed(response, output, error)}


def frame(event: Event, number: int) -> bytes:
    """One event with its name and its number."""
    return named_frame({"type": event["type"], "sequence_number": number, **event})
