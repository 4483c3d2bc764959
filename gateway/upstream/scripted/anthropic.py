"""Anthropic's face: `POST /v1/messages`, JSON and events, for every scenario of the chat face."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson

from gateway.upstream.scripted.conversation import count_prompt_tokens, dicts
from gateway.upstream.scripted.faces import Document, first_choice, play, read_json
from gateway.upstream.scripted.ledger import Entry
from gateway.upstream.scripted.script import Part, Script, json_reply
from gateway.upstream.scripted.wire import Request, parse_fields

if TYPE_CHECKING:
    from gateway.upstream.scripted.endpoints import Stage

SIGNATURE = "c2lnbmVkIGJ5IHJhaW4="
STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def messages_script(stage: "Stage", request: Request, entry: Entry, turn: int) -> Script:
    """The script for one request; what Anthropic requires is required here too."""
    fields = parse_fields(request.head)
    credential = fields.get("x-api-key") or fields.get("authorization", "").removeprefix("Bearer ")
    body = read_json(request.body)
    status, problem = 400, ""
    if not credential:
        status, problem = 401, "x-api-key header is required"
    elif "anthropic-version" not in fields:
        problem = "anthropic-version: header is required"
    elif not isinstance(body, dict):
        problem = "The request body is not valid JSON."
    else:
        missing = [name for name in ("model", "messages", "max_tokens") if body.get(name) is None]
        problem = f"{missing[0]}: Field required" if missing else ""
    if problem:
        return json_reply(error_body(ERROR_TYPES[status], problem), status)
    document = openai_document(body)
    tongue = Tongue(document, f"{stage.id_prefix}{entry.number:013d}".replace("chatcmpl-", "msg_"))
    return play(stage, request, entry, turn, document, credential, tongue)


def error_body(kind: str, message: str) -> Document:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_scripted"}


def openai_document(body: Document) -> Document:
    """The request in OpenAI's shape, as far as scenarios read it."""
    messages = [said for message in dicts(body.get("messages")) for said in openai_messages(message)]
    if system := body.get("system"):
        messages.insert(0, {"role": "system", "content": system})
    document: Document = {
        "model": body["model"],
        "messages": messages,
        "max_tokens": body["max_tokens"],
        "stream": body.get("stream") is True,
        "stream_options": {"include_usage": True},
    }
    tools = [tool for tool in dicts(body.get("tools")) if "input_schema" in tool]
    if tools:
        document["tools"] = [
            {"type": "function", "function": {"name": tool.get("name"), "parameters": tool["input_schema"]}}
            for tool in tools
        ]
        add_choice(document, body.get("tool_choice"))
    config = body.get("output_config")
    asked = body.get("output_format") or (config.get("format") if isinstance(config, dict) else None)
    if isinstance(asked, dict):
        schema = {"schema": asked.get("schema")}
        document["response_format"] = {"type": "json_schema", "json_schema": schema}
    return document


def add_choice(document: Document, choice: Any) -> None:
    """`tool_choice` and `parallel_tool_calls` as OpenAI spells them."""
    if not isinstance(choice, dict):
        return
    if choice.get("type") == "tool":
        document["tool_choice"] = {"type": "function", "function": {"name": choice.get("name")}}
    else:
        spelled = {"any": "required", "none": "none"}
        document["tool_choice"] = spelled.get(str(choice.get("type")), "auto")
    if choice.get("disable_parallel_tool_use"):
        document["parallel_tool_calls"] = False


def openai_messages(message: Document) -> Iterator[Document]:
    """One message: its tool results as messages of their own, then what else it says."""
    content = message.get("content")
    blocks = dicts(content)
    for block in blocks:
        if block.get("type") == "tool_result":
            yield {"role": "tool", "content": block.get("content")}
    parts: list[Document] = []
    for block in blocks:
        if block.get("type") == "text":
            parts.append({"type": "text", "text": block.get("text")})
        elif block.get("type") == "image":
            parts.append({"type": "image_url"})
    if isinstance(content, str):
        yield {"role": message.get("role"), "content": content}
    elif parts:
        yield {"role": message.get("role"), "content": parts}


class Tongue:
    """One answer in Anthropic's shapes."""

    def __init__(self, document: Document, id: str) -> None:
        self._model, self._id = document["model"], id
        self._prompt = count_prompt_tokens(document)
        self._begun = self._told = False
        self._block = -1
        self._open: tuple[str, int] | None = None
        self._finish = ""
        self._usage: Document = {}

    def chunk(self, chunk: Document) -> Iterator[Part]:
        """The events of one chunk: the message's start before the first, blocks opened and closed in order."""
        if chunk.get("usage"):
            self._usage = usage_of(chunk["usage"])
            yield from self._message_delta()
            return
        if not self._begun:
            self._begun = True
            yield self._message_start()
            yield named("ping", {})
        choice = first_choice(chunk)
        yield from self._deltas(choice.get("delta") or {})
        if choice.get("finish_reason"):
            yield from self._close_block()
            self._finish = choice["finish_reason"]

    def done(self) -> Iterator[Part]:
        """The closing events, unless the answer had no finish reason."""
        yield from self._message_delta()
        if self._finish:
            yield named("message_stop", {})

    def document(self, completion: Document) -> Document:
        """A message."""
        choice = completion["choices"][0]
        message = {
            **self._shell(),
            "content": list(blocks_of(choice.get("message") or {})),
            "stop_reason": STOP_REASONS.get(str(choice.get("finish_reason"))),
        }
        return message | {"usage": usage_of(completion["usage"])} if completion.get("usage") else message

    def error(self, status: int, error: Document) -> Document:
        """Anthropic's error for this status."""
        code = error.get("code")
        kind = ERROR_TYPES.get(code if isinstance(code, int) else status, "api_error")
        return error_body(kind, str(error.get("message")))

    def error_event(self, error: Document) -> Iterator[Part]:
        """An `error` event; the only one that real streams are known for is overload."""
        yield named("error", {"error": {"type": "overloaded_error", "message": str(error.get("message"))}})

    def _shell(self) -> Document:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }

    def _message_start(self) -> Part:
        usage = {**usage_of({}), "input_tokens": self._prompt, "output_tokens": 1}
        return named("message_start", {"message": {**self._shell(), "usage": usage}})

    def _message_delta(self) -> Iterator[Part]:
        if self._finish and not self._told:
            self._told = True
            delta = {"stop_reason": STOP_REASONS[self._finish], "stop_sequence": None}
            yield named("message_delta", {"delta": delta, "usage": self._usage or {"output_tokens": 1}})

    def _deltas(self, delta: Document) -> Iterator[Part]:
        if thought := delta.get("reasoning_content"):
            yield from self._in_block(("thinking", 0), {"type": "thinking", "thinking": "", "signature": ""})
            yield self._delta({"type": "thinking_delta", "thinking": thought})
        if text := delta.get("content"):
            yield from self._in_block(("text", 0), {"type": "text", "text": ""})
            yield self._delta({"type": "text_delta", "text": text})
        for call in delta.get("tool_calls") or ():
            function = call["function"]
            block = {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": {}}
            yield from self._in_block(("tool_use", call["index"]), block)
            if function.get("arguments"):
                yield self._delta({"type": "input_json_delta", "partial_json": function["arguments"]})

    def _in_block(self, key: tuple[str, int], start: Document) -> Iterator[Part]:
        if self._open == key:
            return
        yield from self._close_block()
        self._open = key
        self._block += 1
        yield named("content_block_start", {"index": self._block, "content_block": start})

    def _close_block(self) -> Iterator[Part]:
        if self._open is None:
            return
        if self._open[0] == "thinking":
            yield self._delta({"type": "signature_delta", "signature": SIGNATURE})
        self._open = None
        yield named("content_block_stop", {"index": self._block})

    def _delta(self, delta: Document) -> Part:
        return named("content_block_delta", {"index": self._block, "delta": delta})


def blocks_of(message: Document) -> Iterator[Document]:
    """The content blocks of a whole message."""
    if message.get("reasoning_content"):
        yield {"type": "thinking", "thinking": message["reasoning_content"], "signature": SIGNATURE}
    if message.get("content"):
        yield {"type": "text", "text": message["content"]}
    for call in message.get("tool_calls") or ():
        function = call["function"]
        arguments = orjson.loads(function["arguments"])
        yield {"type": "tool_use", "id": call["id"], "name": function["name"], "input": arguments}


def usage_of(usage: Document) -> Document:
    """Anthropic counts what the cache gave apart from the other input."""
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    return {
        "input_tokens": usage.get("prompt_tokens", 0) - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.get("completion_tokens", 0),
    }


def named(kind: str, fields: Document) -> Part:
    """An event with its name, as Anthropic frames it."""
    return Part(b"event: %b\ndata: %b\n\n" % (kind.encode(), orjson.dumps({"type": kind, **fields})), 1)
