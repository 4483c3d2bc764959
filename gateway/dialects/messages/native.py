"""Answers of an upstream that speaks the Messages API itself (Anthropic, OpenRouter, Ollama), checked and put right."""

import re
from typing import Any

import orjson

from gateway.dialects.dialect import Event, NotAnAnswer, RefusedInside
from gateway.parse import MAX_DEPTH, deeper_than
from gateway.usage import Usage, count, detail

EVENT_TYPE = re.compile(r"[a-zA-Z0-9_.-]{1,64}")  # it becomes a line of its own
TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}
DEEPEST = 2 * MAX_DEPTH  # an input of a tool has a depth of its own; JSON can be read deeper than written
EMPTY_AT_FIRST = ("text", "thinking")


def check_message(body: Any, model: str) -> tuple[dict[str, Any], int]:
    """A whole message with the deployment's model, and the bytes of text in it. Raises NotAnAnswer."""
    if not isinstance(body, dict) or body.get("type") != "message" or body.get("role") != "assistant":
        raise NotAnAnswer
    content = body.get("content")
    if not isinstance(content, list) or not (content or body.get("stop_reason")):
        raise NotAnAnswer
    if deeper_than(body, DEEPEST) or not all(map(is_block, content)):
        raise NotAnAnswer
    body["model"] = model
    if not isinstance(body.get("usage"), dict):
        body["usage"] = {"input_tokens": 0, "output_tokens": 0}
    return body, sum(map(block_bytes, content))


def read_message_usage(raw: dict[str, Any]) -> Usage | None:
    """Anthropic's usage object; None when it does not tell both directions.

    Tokens written to a cache count as input: no cache served them, and they cost no less than input does.
    """
    fresh, output = count(raw.get("input_tokens")), count(raw.get("output_tokens"))
    if fresh is None or output is None:
        return None
    created = count(raw.get("cache_creation_input_tokens")) or 0
    cached = count(raw.get("cache_read_input_tokens")) or 0
    thinking = min(detail(raw, "output_tokens_details", "thinking_tokens"), output)
    return Usage(fresh + created, cached, output, thinking, raw)


class MessagesCheck:
    """One stream's state. Clients are promised `message_start` first, blocks numbered from 0 that are open when
    deltas come and closed before the end, the deployment's model, and a usage where their SDKs read one.

    `ping` is dropped, for the gateway keeps the connection alive itself. Other events that are not known here pass.
    """

    __slots__ = (
        "_blocks",
        "_model",
        "_open",
        "_output",
        "_started",
        "_stop_reason",
        "ended",
        "has_content",
        "text_bytes",
        "usage",
    )

    def __init__(self, model: str) -> None:
        self._model = model
        self._blocks = 0  # begun so far
        self._open: dict[int, int] = {}  # the upstream's index → the client's
        self._started = self._stop_reason = self.ended = self.has_content = False
        self._output = 0
        self.text_bytes = 0
        self.usage: dict[str, Any] | None = None

    @property
    def complete(self) -> bool:
        """True when the message told why it stopped, and then that it has."""
        return self._stop_reason and self.ended

    def has_finished(self, choices: int) -> bool:
        """There is only one answer: nothing is missing once it is complete."""
        return self.complete

    def take(self, event: Event) -> Event | None:
        """The event as clients may see it; None for a ping and after the end. Raises NotAnAnswer, RefusedInside."""
        kind = event.get("type")
        if kind == "error" or (event.get("error") and not isinstance(kind, str)):
            raise RefusedInside(error_in(event))
        if not isinstance(kind, str) or not EVENT_TYPE.fullmatch(kind) or deeper_than(event, DEEPEST):
            raise NotAnAnswer
        if kind == "ping" or self.ended:
            return None
        if not self._started and kind != "message_start":
            raise NotAnAnswer
        handle = HANDLERS.get(kind)
        return event if handle is None else handle(self, event)

    def closing(self) -> list[Event]:
        """Nothing: the upstream's own last event was passed on."""
        return []

    def start_message(self, event: Event) -> Event:
        """`message_start`: once, with an assistant's message."""
        message = event.get("message")
        if self._started or not isinstance(message, dict) or message.get("role", "assistant") != "assistant":
            raise NotAnAnswer
        if not isinstance(message.setdefault("content", []), list):
            raise NotAnAnswer
        self._started = True
        self._blocks = len(message["content"])
        usage = message.get("usage")
        if isinstance(usage, dict):
            # Its output is a place holder, often 1: were it kept, a stream that breaks would have cost one token.
            self._merge({name: value for name, value in usage.items() if name != "output_tokens"})
        else:
            message["usage"] = {"input_tokens": 0, "output_tokens": 0}
        message |= {"model": self._model, "role": "assistant", "type": "message"}
        return event

    def start_block(self, event: Event) -> Event:
        """`content_block_start`: numbered anew, so that the numbers have no gap."""
        index, block = event.get("index"), event.get("content_block")
        if type(index) is not int or index in self._open or block is None or not is_block(block):
            raise NotAnAnswer
        self._open[index] = event["index"] = self._blocks
        self._blocks += 1
        self.text_bytes += block_bytes(block)
        if block["type"] not in EMPTY_AT_FIRST or block.get("text") or block.get("thinking"):
            self.has_content = True
        return event

    def take_delta(self, event: Event) -> Event:
        """`content_block_delta`: of an open block."""
        delta = event.get("delta")
        if not isinstance(delta, dict) or not isinstance(delta.get("type"), str):
            raise NotAnAnswer
        event["index"] = self._index_of(event)
        field = TEXTS.get(delta["type"])
        if field is None:
            self.has_content = True
            return event
        text = delta.get(field)
        if not isinstance(text, str):
            raise NotAnAnswer
        self.text_bytes += size_of(text)
        self.has_content = self.has_content or bool(text)
        return event

    def stop_block(self, event: Event) -> Event:
        """`content_block_stop`: of an open block."""
        upstreams = event.get("index")
        event["index"] = self._index_of(event)
        del self._open[upstreams]  # type: ignore[arg-type]  # an int, as _index_of has checked
        return event

    def take_message_delta(self, event: Event) -> Event:
        """`message_delta`: why it stopped, and the usage; blocks are closed by then."""
        delta = event.get("delta")
        if not isinstance(delta, dict) or self._open:
            raise NotAnAnswer
        if isinstance(delta.get("stop_reason"), str) and delta["stop_reason"]:
            self._stop_reason = self.has_content = True
        usage = event.get("usage")
        if isinstance(usage, dict):
            self._merge(usage)
        else:
            usage = event["usage"] = {}
        self._output = count(usage.get("output_tokens")) or self._output
        if count(usage.get("output_tokens")) is None:
            usage["output_tokens"] = self._output
        return event

    def stop_message(self, event: Event) -> Event:
        """`message_stop`: nothing may follow."""
        if self._open:
            raise NotAnAnswer
        self.ended = True
        return event

    def _index_of(self, event: Event) -> int:
        index = event.get("index")
        if type(index) is not int or index not in self._open:
            raise NotAnAnswer
        return self._open[index]

    def _merge(self, usage: dict[str, Any]) -> None:
        told = {name: value for name, value in usage.items() if value is not None}
        self.usage = {**(self.usage or {}), **told}


HANDLERS = {
    "message_start": MessagesCheck.start_message,
    "content_block_start": MessagesCheck.start_block,
    "content_block_delta": MessagesCheck.take_delta,
    "content_block_stop": MessagesCheck.stop_block,
    "message_delta": MessagesCheck.take_message_delta,
    "message_stop": MessagesCheck.stop_message,
}


def error_in(event: Event) -> dict[str, Any]:
    """The error object of an error event; a text alone is its message."""
    error = event.get("error")
    if isinstance(error, dict):
        return error
    return {"message": error} if isinstance(error, str) else {}


def is_block(block: Any) -> bool:
    """Whether a value is a block that clients can read."""
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        return False
    if block["type"] == "tool_use":
        return (
            isinstance(block.get("id"), str)
            and isinstance(block.get("name"), str)
            and isinstance(block.setdefault("input", {}), dict)
        )
    return block["type"] not in EMPTY_AT_FIRST or isinstance(block.get(block["type"]), str)


def block_bytes(block: dict[str, Any]) -> int:
    """Bytes of the text in a block: words, thoughts, and what a tool is called with."""
    if block["type"] == "tool_use":
        return len(orjson.dumps(block["input"])) if block["input"] else 0
    return size_of(block.get(block["type"])) if block["type"] in EMPTY_AT_FIRST else 0


def size_of(text: Any) -> int:
    """Bytes of a text; 0 for what is none."""
    return len(text.encode("utf-8", "replace")) if isinstance(text, str) else 0
