"""The output items: thoughts, a message, tool calls; each as it is written, and as the events that tell of it.

An event here is a dict without a sequence number; whoever writes the stream numbers it.
"""

from collections.abc import Iterator
from secrets import token_hex
from typing import Any

from gateway.dialects.dialect import Event
from gateway.dialects.responses.tools import Called, custom_input

Item = dict[str, Any]
# A message's kind of part → where its text is.
TEXT_FIELD = {"output_text": "text", "refusal": "refusal"}


def new_item_id(prefix: str) -> str:
    """An id that no other item has."""
    return f"{prefix}_{token_hex(16)}"


def text_part(text: str) -> Item:
    """A piece of a message's content."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def refusal_part(text: str) -> Item:
    """The model's refusal."""
    return {"type": "refusal", "refusal": text}


def extras(kind: str) -> Item:
    """What the events of text have beside it."""
    return {"logprobs": []} if kind == "output_text" else {}


class Reasoning:
    """What the model thought, as the one part of a summary."""

    def __init__(self, index: int) -> None:
        self.id, self.index, self.status = new_item_id("rs"), index, ""
        self._text = ""

    def item(self, status: str, parts: list[Item]) -> Item:
        """The item with these summary parts."""
        return {"type": "reasoning", "id": self.id, "status": status, "summary": parts}

    def opening(self) -> Iterator[Event]:
        """The item and its part are there, still empty."""
        yield added(self.index, self.item("in_progress", []))
        yield self._event("response.reasoning_summary_part.added", part=self._part())

    def add(self, text: str) -> None:
        """More thoughts."""
        self._text += text

    def write(self, text: str) -> Iterator[Event]:
        """More thoughts, told."""
        self.add(text)
        yield self._event("response.reasoning_summary_text.delta", delta=text)

    def closing(self, status: str) -> Iterator[Event]:
        """The whole item, and how it ended."""
        self.status = status
        yield self._event("response.reasoning_summary_text.done", text=self._text)
        yield self._event("response.reasoning_summary_part.done", part=self._part())
        yield done(self.index, self.whole(status))

    def whole(self, status: str) -> Item:
        """The item as written so far; `status` is for one that is still open."""
        return self.item(self.status or status, [self._part()])

    def _part(self) -> Item:
        return {"type": "summary_text", "text": self._text}

    def _event(self, kind: str, **fields: Any) -> Event:
        place = {"item_id": self.id, "output_index": self.index, "summary_index": 0}
        return {"type": kind, **place, **fields}


class Message:
    """What the model says: text, or a refusal, or one after the other."""

    def __init__(self, index: int) -> None:
        self.id, self.index, self.status = new_item_id("msg"), index, ""
        self._parts: list[Item] = []

    def item(self, status: str, parts: list[Item]) -> Item:
        """The item with this content."""
        return {"type": "message", "id": self.id, "status": status, "role": "assistant", "content": parts}

    def opening(self) -> Iterator[Event]:
        """The item is there, still empty."""
        yield added(self.index, self.item("in_progress", []))

    def add(self, text: str, kind: str) -> None:
        """More of this kind; another kind than before begins a part of its own."""
        if self._begins_part(kind):
            self._parts.append(text_part("") if kind == "output_text" else refusal_part(""))
        self._parts[-1][TEXT_FIELD[kind]] += text

    def write(self, text: str, kind: str) -> Iterator[Event]:
        """More of this kind, told."""
        if self._begins_part(kind):
            yield from self._close_part()
            self.add("", kind)
            yield self._event("response.content_part.added", part=self._parts[-1])
        self.add(text, kind)
        yield self._event(f"response.{kind}.delta", delta=text, **extras(kind))

    def _begins_part(self, kind: str) -> bool:
        return not self._parts or self._parts[-1]["type"] != kind

    def closing(self, status: str) -> Iterator[Event]:
        """The whole item, and how it ended."""
        self.status = status
        yield from self._close_part()
        yield done(self.index, self.whole(status))

    def whole(self, status: str) -> Item:
        """The item as written so far; `status` is for one that is still open."""
        return self.item(self.status or status, self._parts)

    def _close_part(self) -> Iterator[Event]:
        if not self._parts:
            return
        part = self._parts[-1]
        kind, text = part["type"], part[TEXT_FIELD[part["type"]]]
        yield self._event(f"response.{kind}.done", **{TEXT_FIELD[kind]: text}, **extras(kind))
        yield self._event("response.content_part.done", part=part)

    def _event(self, kind: str, **fields: Any) -> Event:
        place = {"item_id": self.id, "output_index": self.index, "content_index": len(self._parts) - 1}
        return {"type": kind, **place, **fields}


class FunctionCall:
    """A call of a function."""

    def __init__(self, index: int, call_id: str, tool: Called) -> None:
        self.id, self.index, self.status = new_item_id("fc"), index, ""
        self.tool = tool
        self.call_id = call_id or new_item_id("call")
        self._arguments = ""

    def item(self, status: str, arguments: str) -> Item:
        """The item with these arguments."""
        call = {"call_id": self.call_id, **self.tool.names(), "arguments": arguments}
        return {"type": "function_call", "id": self.id, "status": status, **call}

    def opening(self) -> Iterator[Event]:
        """The item is there, its arguments still to come."""
        yield added(self.index, self.item("in_progress", ""))

    def add(self, text: str) -> None:
        """More of the arguments."""
        self._arguments += text

    def write(self, text: str) -> Iterator[Event]:
        """More of the arguments, told."""
        self.add(text)
        yield self._event("response.function_call_arguments.delta", delta=text)

    def closing(self, status: str) -> Iterator[Event]:
        """The whole item, and how it ended."""
        self.status = status
        whole = {"name": self.tool.name, "arguments": self._arguments}
        yield self._event("response.function_call_arguments.done", **whole)
        yield done(self.index, self.whole(status))

    def whole(self, status: str) -> Item:
        """The item as written so far; `status` is for one that is still open."""
        return self.item(self.status or status, self._arguments)

    def _event(self, kind: str, **fields: Any) -> Event:
        return {"type": kind, "item_id": self.id, "output_index": self.index, **fields}


class CustomCall(FunctionCall):
    """A call of a custom tool. Its text is inside JSON, so it can be read, and told, only when that is whole."""

    def __init__(self, index: int, call_id: str, tool: Called) -> None:
        super().__init__(index, call_id, tool)
        self.id = new_item_id("ctc")

    def item(self, status: str, arguments: str) -> Item:
        """The item with the text in these arguments."""
        text = custom_input(arguments) if arguments else ""
        call = {"call_id": self.call_id, **self.tool.names(), "input": text}
        return {"type": "custom_tool_call", "id": self.id, "status": status, **call}

    def write(self, text: str) -> Iterator[Event]:
        """More of the arguments; nothing to tell yet."""
        self.add(text)
        return iter(())

    def closing(self, status: str) -> Iterator[Event]:
        """Its whole text, and the item."""
        self.status = status
        text = custom_input(self._arguments) if self._arguments else ""
        yield self._event("response.custom_tool_call_input.delta", delta=text)
        yield self._event("response.custom_tool_call_input.done", input=text)
        yield done(self.index, self.whole(status))


OpenItem = Reasoning | Message | FunctionCall


def added(index: int, item: Item) -> Event:
    """An item has begun."""
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(index: int, item: Item) -> Event:
    """An item is whole."""
    return {"type": "response.output_item.done", "output_index": index, "item": item}
