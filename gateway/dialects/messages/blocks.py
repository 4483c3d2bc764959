"""The blocks of a message that is written while a chat is read: one open at a time, each in its place.

Chat may interleave what it says: text, thoughts, and several calls by index. Blocks stand in the order in which they
were begun. The first is written as it comes; the others wait until it is closed, which for a call is when its JSON is
whole and something has begun behind it, or when the answer ends.
"""

import re
from collections import deque
from typing import Any

import orjson

from gateway.dialects.dialect import Event
from gateway.dialects.messages.answer import arguments_in, input_of, is_nothing, tool_use

MARKS = re.compile(
    r"\\.|\\|[\"{}]", re.S
)  # an escaped character, a backslash before the end, what opens and closes
DELTAS = {"text": ("text_delta", "text"), "thinking": ("thinking_delta", "thinking")}


class TextBlock:
    """Text or thinking."""

    __slots__ = ("_pieces", "kind")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._pieces: list[str] = []

    @property
    def whole(self) -> bool:
        """Nothing in it asks for more."""
        return True

    def add(self, text: str) -> None:
        """More of it."""
        self._pieces.append(text)

    def start(self) -> dict[str, Any]:
        """The block while it is empty."""
        return {"type": self.kind, self.kind: "", **({"signature": ""} if self.kind == "thinking" else {})}

    def deltas(self, *, last: bool) -> list[dict[str, Any]]:
        """What has not been written yet; thinking ends with a signature, an empty one, for nobody signed it."""
        text, self._pieces = "".join(self._pieces), []
        kind, field = DELTAS[self.kind]
        deltas: list[dict[str, Any]] = [{"type": kind, field: text}] if text else []
        if last and self.kind == "thinking":
            deltas.append({"type": "signature_delta", "signature": ""})
        return deltas


class Braces:
    """Whether the JSON read so far is one closed object; each piece is looked at once."""

    __slots__ = ("_depth", "_escaped", "_in_string", "closed")

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = self._escaped = False
        self.closed = False

    def read(self, piece: str) -> None:
        """The next piece."""
        if self._escaped and piece:
            piece, self._escaped = piece[1:], False
        for mark in MARKS.findall(piece):
            if mark == '"':
                self._in_string = not self._in_string
            elif mark == "\\":  # at the very end of the piece
                self._escaped = True
            elif not self._in_string and len(mark) == 1:
                self._depth += 1 if mark == "{" else -1
                self.closed = self._depth == 0


class CallBlock:
    """A tool call. Arguments that begin as an object are written as they come, others once they can be judged."""

    __slots__ = ("_arguments", "_braces", "_head", "_written", "kind")

    def __init__(self, call: dict[str, Any]) -> None:
        self.kind = "tool_use"
        self._head = tool_use(call, {})
        self._arguments: list[str] = []
        self._written = 0
        self._braces = Braces()

    @property
    def whole(self) -> bool:
        """Whether the arguments are a JSON object, so that no more of them can come."""
        return self._braces.closed

    def add(self, arguments: str) -> None:
        """More of the arguments."""
        if arguments:
            self._arguments.append(arguments)
            self._braces.read(arguments)

    def start(self) -> dict[str, Any]:
        """The block with no arguments yet."""
        return self._head

    def deltas(self, *, last: bool) -> list[dict[str, Any]]:
        """What has not been written yet."""
        if not self._written and not self._begins_as_object():
            return self._last_words() if last else []
        text = "".join(self._arguments[self._written :])
        self._written = len(self._arguments)
        return [json_delta(text)] if text else []

    def _begins_as_object(self) -> bool:
        first = next((piece.lstrip() for piece in self._arguments if piece.strip()), "")
        return first.startswith("{")

    def _last_words(self) -> list[dict[str, Any]]:
        arguments = "".join(self._arguments)
        if is_nothing(arguments):
            return []
        return [json_delta(orjson.dumps(input_of(arguments)).decode())]


Block = TextBlock | CallBlock


class BlockQueue:
    """The blocks of one message. Every method returns the events that can be written now."""

    __slots__ = ("_begun", "_blocks", "_calls", "_index")

    def __init__(self) -> None:
        self._blocks: deque[Block] = deque()
        self._calls: dict[int, CallBlock] = {}
        self._index = 0
        self._begun = False

    @property
    def used_tools(self) -> bool:
        """Whether the message holds a call."""
        return bool(self._calls)

    def add_text(self, kind: str, text: str) -> list[Event]:
        """Text, or thinking: more of the last block if it is of this kind, else a new one."""
        last = self._blocks[-1] if self._blocks else None
        if not isinstance(last, TextBlock) or last.kind != kind:
            last = TextBlock(kind)
            self._blocks.append(last)
        last.add(text)
        return self._advance(last=False)

    def add_call(self, index: int, call: dict[str, Any]) -> list[Event]:
        """A call's beginning, or more of its arguments."""
        block = self._calls.get(index)
        if block is None:
            block = self._calls[index] = CallBlock(call)
            self._blocks.append(block)
        block.add(arguments_in(call))
        return self._advance(last=False)

    def close(self) -> list[Event]:
        """Nothing more comes: the rest of everything."""
        return self._advance(last=True)

    def _advance(self, *, last: bool) -> list[Event]:
        events: list[Event] = []
        while self._blocks:
            block = self._blocks[0]
            closing = last or (len(self._blocks) > 1 and block.whole)
            events += self._write(block, closing=closing)
            if not closing:
                break
            self._blocks.popleft()
        return events

    def _write(self, block: Block, *, closing: bool) -> list[Event]:
        here = {"index": self._index}
        events: list[Event] = []
        if not self._begun:
            self._begun = True
            events.append({"type": "content_block_start", **here, "content_block": block.start()})
        deltas = block.deltas(last=closing)
        events += [{"type": "content_block_delta", **here, "delta": delta} for delta in deltas]
        if closing:
            self._begun = False
            self._index += 1
            events.append({"type": "content_block_stop", **here})
        return events


def json_delta(text: str) -> dict[str, Any]:
    """A piece of a call's arguments."""
    return {"type": "input_json_delta", "partial_json": text}
