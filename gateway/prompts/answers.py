"""What was said in an answer, whatever its dialect and whether it came whole or as a stream."""

from dataclasses import asdict, dataclass, field
from typing import Any

import orjson

from gateway.sse import EventSplitter

Json = dict[str, Any]
FINAL_RESPONSES = frozenset({"response.completed", "response.incomplete", "response.failed"})


@dataclass(slots=True)
class ToolCall:
    """A tool the model wants called, its arguments as it wrote them."""

    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class Said:
    """One choice of an answer. `ended` is why it ended, or what broke it."""

    text: str = ""
    reasoning: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    ended: str = ""


class Assembly:
    """Puts a stream's events together, choice by choice; over `most` characters the rest is left out."""

    def __init__(self, most: int) -> None:
        self._room = self._most = most
        self._choices: dict[int, Said] = {}
        self._calls: dict[tuple[int, int], ToolCall] = {}
        self.is_cut = False

    def said(self) -> list[Said]:
        """The choices in order."""
        return [self._choices[index] for index in sorted(self._choices)]

    def take(self, event: Json) -> None:
        """One event of any dialect; one that says nothing changes nothing."""
        kind = event.get("type")
        if isinstance(event.get("error"), dict):
            self._choice(0).ended = f"error: {event['error'].get('message', '')}"
        elif isinstance(event.get("choices"), list):
            for choice in event["choices"]:
                self._take_choice(choice)
        elif kind in FINAL_RESPONSES and isinstance(event.get("response"), dict):
            self._take_whole(said_whole(event["response"]))
        elif kind == "content_block_start":
            self._start_block(event)
        elif kind == "content_block_delta":
            self._take_block(event)
        elif kind == "message_delta":
            self._choice(0).ended = str((event.get("delta") or {}).get("stop_reason") or "")
        elif kind == "response.output_text.delta":
            self._choice(0).text += self._fitting(event.get("delta"))

    def _choice(self, index: int) -> Said:
        return self._choices.setdefault(index, Said())

    def _call(self, choice: int, index: int) -> ToolCall:
        key = (choice, index)
        if key not in self._calls:
            self._calls[key] = ToolCall()
            self._choice(choice).tool_calls.append(self._calls[key])
        return self._calls[key]

    def _take_choice(self, choice: Json) -> None:
        index, delta = choice.get("index") or 0, choice.get("delta") or {}
        said = self._choice(index)
        said.text += self._fitting(delta.get("content") or choice.get("text"))
        said.reasoning += self._fitting(delta.get("reasoning_content") or delta.get("reasoning"))
        said.ended = choice.get("finish_reason") or said.ended
        for part in delta.get("tool_calls") or ():
            call, function = self._call(index, part.get("index") or 0), part.get("function") or {}
            call.name += self._fitting(function.get("name"))
            call.arguments += self._fitting(function.get("arguments"))

    def _start_block(self, event: Json) -> None:
        block = event.get("content_block") or {}
        if block.get("type") == "tool_use":
            self._call(0, event.get("index") or 0).name = self._fitting(block.get("name"))

    def _take_block(self, event: Json) -> None:
        delta, said = event.get("delta") or {}, self._choice(0)
        said.text += self._fitting(delta.get("text"))
        said.reasoning += self._fitting(delta.get("thinking"))
        if "partial_json" in delta:
            self._call(0, event.get("index") or 0).arguments += self._fitting(delta["partial_json"])

    def _take_whole(self, choices: list[Said]) -> None:
        """The final event says everything once more, in place of what came before."""
        self._room, self._choices = self._most, dict(enumerate(choices))
        for said in choices:
            said.text, said.reasoning = self._fitting(said.text), self._fitting(said.reasoning)
            for call in said.tool_calls:
                call.name, call.arguments = self._fitting(call.name), self._fitting(call.arguments)

    def _fitting(self, text: object) -> str:
        """The text as far as there is room; nothing for what is no text."""
        if not isinstance(text, str):
            return ""
        self.is_cut = self.is_cut or len(text) > self._room
        fitting = text[: self._room]
        self._room -= len(fitting)
        return fitting


def assemble(stream: bytes, most: int) -> tuple[list[Json], bool]:
    """What an event stream said, and whether some of it is left out."""
    assembly = Assembly(most)
    for data in EventSplitter().feed(stream):
        if data == b"[DONE]":
            continue
        try:
            event = orjson.loads(data)
        except orjson.JSONDecodeError:
            continue
        if isinstance(event, dict):
            assembly.take(event)
    return [asdict(said) for said in assembly.said()], assembly.is_cut


def said_whole(body: Json) -> list[Said]:
    """What a whole JSON answer says; empty for one of another kind, as embeddings are."""
    if isinstance(body.get("choices"), list):
        return [of_choice(choice) for choice in body["choices"]]
    if isinstance(body.get("content"), list):
        return [of_blocks(body["content"], str(body.get("stop_reason") or ""))]
    if isinstance(body.get("output"), list):
        return [of_items(body["output"], str(body.get("status") or ""))]
    return []


def of_choice(choice: Json) -> Said:
    """A choice of a chat or text completion."""
    message = choice.get("message") or {}
    calls = [call.get("function") or {} for call in message.get("tool_calls") or ()]
    return Said(
        text=str(message.get("content") or choice.get("text") or ""),
        reasoning=str(message.get("reasoning_content") or message.get("reasoning") or ""),
        tool_calls=[ToolCall(str(call.get("name", "")), str(call.get("arguments", ""))) for call in calls],
        ended=str(choice.get("finish_reason") or ""),
    )


def of_blocks(blocks: list[Json], ended: str) -> Said:
    """The content of a message."""
    return Said(
        text="".join(str(block.get("text") or "") for block in blocks),
        reasoning="".join(str(block.get("thinking") or "") for block in blocks),
        tool_calls=[
            ToolCall(str(block.get("name", "")), orjson.dumps(block.get("input")).decode())
            for block in blocks
            if block.get("type") == "tool_use"
        ],
        ended=ended,
    )


def of_items(items: list[Json], ended: str) -> Said:
    """The output of a response."""
    parts = [part for item in items if item.get("type") == "message" for part in item.get("content") or ()]
    calls = [item for item in items if item.get("type") == "function_call"]
    return Said(
        text="".join(str(part.get("text") or "") for part in parts),
        tool_calls=[ToolCall(str(call.get("name", "")), str(call.get("arguments", ""))) for call in calls],
        ended=ended,
    )
