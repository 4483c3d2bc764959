"""The face of the Responses API: the scenarios' chat scripts, told in its events and documents.

The request is read as a chat, so every scenario plays here too. What is no part of a good answer (refusals, pauses,
breaks, garbage) passes as it is.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson

from gateway.upstream.scripted.conversation import dicts
from gateway.upstream.scripted.script import DONE, Head, Part, Script, Step
from gateway.upstream.scripted.wire import Request

Document = dict[str, Any]
PART_TYPES = {"input_text": "text", "output_text": "text", "input_image": "image_url"}


def as_chat(request: Request) -> Request:
    """The same request to the chat face; a body that is no JSON object stays as it is."""
    try:
        asked = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        return request
    if not isinstance(asked, dict):
        return request
    fields = {name: asked[name] for name in asked if name not in ("input", "instructions", "text")}
    fields["messages"] = list(chat_messages(asked.get("input")))
    fields["tools"] = [{"type": "function", "function": tool} for tool in dicts(asked.get("tools"))]
    fields["max_tokens"] = asked.get("max_output_tokens")
    fields["stream_options"] = {"include_usage": True}
    choice, text = asked.get("tool_choice"), asked.get("text")
    if isinstance(choice, dict):
        fields["tool_choice"] = {"function": choice}
    if isinstance(text, dict) and isinstance(text.get("format"), dict):
        fields["response_format"] = {**text["format"], "json_schema": text["format"]}
    return replace(request, body=orjson.dumps(fields))


def chat_messages(given: Any) -> Iterator[Document]:
    """The input as messages, as far as the scenarios look at them."""
    if isinstance(given, str):
        yield {"role": "user", "content": given}
    for item in dicts(given):
        if item.get("type") == "function_call_output":
            yield {"role": "tool", "content": item.get("output")}
        elif "role" in item:
            parts = [
                part | {"type": PART_TYPES.get(str(part.get("type")))} for part in dicts(item.get("content"))
            ]
            yield {"role": item["role"], "content": parts or item.get("content")}


def retold(script: Script) -> Script:
    """A chat script in this dialect."""
    told, held = EventStream(), None
    for step in script:
        if isinstance(step, Head) and step.status == 200 and step.length is not None:
            held = step
        elif held is not None:
            yield from retold_body(held, step)
            held = None
        elif isinstance(step, Part) and step.data.startswith(b"data: "):
            yield from told.retell(step)
        else:
            yield step
    if held is not None:
        yield held


def retold_body(head: Head, step: Step) -> Script:
    """A whole completion as a response of its own length; any other body as it is."""
    document = read(step.data) if isinstance(step, Part) else None
    if document is None or not dicts(document.get("choices")):
        return head, step
    data = orjson.dumps(response_of(document))
    return head._replace(length=len(data)), Part(data)


def read(data: bytes) -> Document | None:
    """A JSON object, or None."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def response_of(completion: Document) -> Document:
    """A whole completion as a response."""
    choice = completion["choices"][0]
    message = choice.get("message") or {}
    output = []
    if message.get("reasoning_content"):
        output.append(reasoning_item(message["reasoning_content"]))
    if message.get("content"):
        output.append(message_item(message["content"]))
    output += [call_item(call.get("id"), **call["function"]) for call in dicts(message.get("tool_calls"))]
    for number, item in enumerate(output):
        item["id"] = f"{item['id']}{number}"
    return ended(completion, output, choice.get("finish_reason"), completion.get("usage"))


def ended(head: Document, output: list[Document], finish: Any, usage: Any) -> Document:
    """The response at its end."""
    cut = finish == "length"
    return {
        **shell(head),
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": output,
        "usage": usage_of(usage) if isinstance(usage, dict) else None,
    }


def shell(head: Document) -> Document:
    """A response that has just begun."""
    return {
        "id": f"resp_{head.get('id')}",
        "object": "response",
        "created_at": head.get("created"),
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": head.get("model"),
        "output": [],
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None,
    }


def usage_of(chat: Document) -> Document:
    """A chat's figures under their names here."""
    return {
        "input_tokens": chat["prompt_tokens"],
        "input_tokens_details": {**chat["prompt_tokens_details"], "cache_write_tokens": 0},
        "output_tokens": chat["completion_tokens"],
        "output_tokens_details": chat["completion_tokens_details"],
        "total_tokens": chat["total_tokens"],
    }


def message_item(text: str) -> Document:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": "msg_", "status": "completed", "role": "assistant", "content": content}


def reasoning_item(text: str) -> Document:
    return {"type": "reasoning", "id": "rs_", "summary": [{"type": "summary_text", "text": text}]}


def call_item(call_id: Any, name: str, arguments: str) -> Document:
    call = {"call_id": call_id, "name": name, "arguments": arguments}
    return {"type": "function_call", "id": "fc_", "status": "completed", **call}


class EventStream:
    """Retells the events of one chat stream; items are written one after the other, as OpenAI does."""

    def __init__(self) -> None:
        self._number = 0
        self._output: list[Document] = []
        self._open: Document | None = None
        self._head: Document | None = None
        self._finish: str | None = None
        self._usage: Any = None

    def retell(self, part: Part) -> Iterator[Part]:
        """One chat event as the events that say the same; one that is no chunk as it is."""
        chunk = None if part == DONE else read(part.data[len("data: ") :])
        if part == DONE:
            yield from self._end()
        elif chunk is None:
            yield part
        elif "error" in chunk:
            yield self._event("error", **chunk["error"] | {"type": "error"})
        else:
            yield from self._begin(chunk)
            self._usage = chunk.get("usage") or self._usage
            for choice in dicts(chunk.get("choices"))[:1]:
                yield from self._retell_delta(choice.get("delta") or {})
                self._finish = choice.get("finish_reason") or self._finish

    def _begin(self, chunk: Document) -> Iterator[Part]:
        if self._head is None:
            self._head = chunk
            yield self._event("response.created", response=shell(chunk))
            yield self._event("response.in_progress", response=shell(chunk))

    def _retell_delta(self, delta: Document) -> Iterator[Part]:
        if thought := delta.get("reasoning_content"):
            yield from self._opened(reasoning_item(""), "reasoning")
            self._now()["summary"][0]["text"] += thought
            yield self._piece("response.reasoning_summary_text.delta", delta=thought, summary_index=0)
        if text := delta.get("content"):
            yield from self._opened(message_item(""), "message")
            self._now()["content"][0]["text"] += text
            yield self._piece("response.output_text.delta", delta=text, content_index=0, logprobs=[])
        for call in dicts(delta.get("tool_calls")):
            function = call["function"]
            if "name" in function:
                yield from self._opened(call_item(call.get("id"), function["name"], ""), "")
            if more := function["arguments"]:
                self._now()["arguments"] += more
                yield self._piece("response.function_call_arguments.delta", delta=more)

    def _opened(self, item: Document, kind: str) -> Iterator[Part]:
        """Begins the item unless one of its kind is open."""
        if self._open is not None and self._open["type"] == kind:
            return
        yield from self._close()
        self._open = item | {"id": f"{item['id']}{len(self._output)}"}
        self._output.append(self._open)
        empty: Document = {name: [] for name in ("content", "summary") if name in self._open}
        yield self._event("response.output_item.added", output_index=self._index, item=self._open | empty)
        if kind == "message":
            part = self._open["content"][0]
            yield self._piece("response.content_part.added", content_index=0, part=part)
        elif kind == "reasoning":
            part = self._open["summary"][0]
            yield self._piece("response.reasoning_summary_part.added", summary_index=0, part=part)

    def _close(self) -> Iterator[Part]:
        if self._open is None:
            return
        if self._open["type"] == "message":
            part = self._open["content"][0]
            text = {"text": part["text"], "logprobs": []}
            yield self._piece("response.output_text.done", content_index=0, **text)
            yield self._piece("response.content_part.done", content_index=0, part=part)
        elif self._open["type"] == "function_call":
            whole = {name: self._open[name] for name in ("name", "arguments")}
            yield self._piece("response.function_call_arguments.done", **whole)
        yield self._event("response.output_item.done", output_index=self._index, item=self._open)
        self._open = None

    def _end(self) -> Iterator[Part]:
        """The final event; a chat stream without a finish reason has none."""
        if self._head is not None and self._finish is not None:
            yield from self._close()
            response = ended(self._head, self._output, self._finish, self._usage)
            yield self._event(f"response.{response['status']}", response=response)

    @property
    def _index(self) -> int:
        return len(self._output) - 1

    def _now(self) -> Document:
        return self._output[-1]

    def _piece(self, kind: str, **fields: Any) -> Part:
        place = {"item_id": self._now()["id"], "output_index": self._index}
        return self._event(kind, **place, **fields)

    def _event(self, kind: str, **fields: Any) -> Part:
        document = {"type": kind, "sequence_number": self._number, **fields}
        self._number += 1
        return Part(b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps(document)), 1)
