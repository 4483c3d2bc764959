"""Streams as Anthropic's clients read them: named events, from an upstream that sends such or from chat chunks."""

from typing import Any

from gateway.dialects.dialect import Event, ModelRequest
from gateway.dialects.messages.answer import new_message_id, stop_of, text_in, thoughts_in, usage_document
from gateway.dialects.messages.blocks import BlockQueue
from gateway.dialects.messages.errors import error_object
from gateway.dialects.messages.settings import shows_thinking
from gateway.errors import GatewayError
from gateway.sse import named_frame
from gateway.upstream.chunks import text_bytes
from gateway.usage import Usage, estimate_usage, read_usage


class EventEncoder:
    """Events that are Anthropic's already, as checked."""

    __slots__ = ()

    def events(self, events: list[Event]) -> bytes:
        """The events in the order they came."""
        return b"".join(map(named_frame, events))

    def end(self) -> bytes:
        """Nothing: `message_stop` was the upstream's last event."""
        return b""

    def error(self, error: GatewayError) -> bytes:
        """The event that every client raises on, at whatever moment it comes."""
        return named_frame(error_object(error))


class TranslatingEncoder(EventEncoder):
    """Chat chunks as the events of a message: start, blocks one after the other, delta with usage, stop."""

    __slots__ = (
        "_blocks",
        "_choice",
        "_closed",
        "_model",
        "_refused",
        "_request",
        "_started",
        "_thoughts",
        "_written",
    )

    def __init__(self, request: ModelRequest, model: str) -> None:
        self._request, self._model = request, model
        self._thoughts = shows_thinking(request.payload)
        self._blocks = BlockQueue()
        self._choice: dict[str, Any] = {}  # the one that finished the answer
        self._started = self._closed = self._refused = False
        self._written = 0

    def events(self, events: list[Event]) -> bytes:
        """What can be said of these chunks now."""
        said: list[Event] = []
        for chunk in events:
            said += self._take(chunk)
        return super().events(said)

    def end(self) -> bytes:
        """The rest, with usage estimated unless the closing chunk has told it."""
        return super().events([*self._start(), *self._close(None)])

    def error(self, error: GatewayError) -> bytes:
        """The event that every client raises on; nothing after a whole message."""
        return b"" if self._closed else super().error(error)

    def _take(self, chunk: Event) -> list[Event]:
        events = self._start()
        for choice in chunk["choices"]:
            if choice.get("index", 0) == 0:
                events += self._take_choice(choice)
        if not chunk["choices"] and isinstance(chunk.get("usage"), dict):
            events += self._close(read_usage(chunk["usage"]))
        return events

    def _start(self) -> list[Event]:
        if self._started:
            return []
        self._started = True
        usage = usage_document(Usage(input=self._request.input_tokens))
        message: dict[str, Any] = {
            "id": new_message_id(),
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        return [{"type": "message_start", "message": message}]

    def _take_choice(self, choice: dict[str, Any]) -> list[Event]:
        delta = choice["delta"]
        events: list[Event] = []
        self._written += text_bytes(delta)
        self._refused = self._refused or bool(delta.get("refusal"))
        thinking, text = thoughts_in(delta), text_in(delta)
        if thinking and self._thoughts:
            events += self._blocks.add_text("thinking", thinking)
        if text:
            events += self._blocks.add_text("text", text)
        for call in delta.get("tool_calls") or ():
            events += self._blocks.add_call(call["index"], call)
        if choice.get("finish_reason"):
            self._choice = choice
            events += self._blocks.close()
        return events

    def _close(self, usage: Usage | None) -> list[Event]:
        if self._closed:
            return []
        self._closed = True
        reason, sequence = stop_of(
            self._choice, self._request, used_tools=self._blocks.used_tools, refused=self._refused
        )
        usage = usage or estimate_usage(self._request.input_tokens, self._written)
        last_words = {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": sequence},
            "usage": usage_document(usage),
        }
        return [*self._blocks.close(), last_words, {"type": "message_stop"}]
