"""Gemini's face: `generateContent` and `streamGenerateContent?alt=sse`, for every scenario of the chat face."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson

from gateway.upstream.scripted.conversation import dicts
from gateway.upstream.scripted.faces import Document, first_choice, play, read_json
from gateway.upstream.scripted.ledger import Entry
from gateway.upstream.scripted.script import Part, Script, json_reply
from gateway.upstream.scripted.wire import Request, parse_fields

if TYPE_CHECKING:
    from gateway.upstream.scripted.endpoints import Stage

FINISH_REASONS = {"stop": "STOP", "length": "MAX_TOKENS", "tool_calls": "STOP", "content_filter": "SAFETY"}
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def generate_script(stage: "Stage", request: Request, entry: Entry, turn: int) -> Script:
    """The script for one request; the model stands in the path."""
    path = request.path.partition("?")[0]
    model, _, method = path.rpartition("/models/")[2].rpartition(":")
    credential = parse_fields(request.head).get("x-goog-api-key", "")
    body = read_json(request.body)
    status, problem = 400, ""
    if not credential:
        status, problem = 403, "Method doesn't allow unregistered callers."
    elif not isinstance(body, dict):
        problem = "Invalid JSON payload received."
    elif not dicts(body.get("contents")):
        problem = "* GenerateContentRequest.contents: contents is not specified"
    if problem:
        return json_reply(error_body(status, problem), status)
    document = openai_document(body, unquote(model), method == "streamGenerateContent")
    tongue = Tongue(document["model"], f"{stage.id_prefix}{entry.number:013d}".removeprefix("chatcmpl-"))
    return play(stage, request, entry, turn, document, credential, tongue)


def error_body(status: int, message: str) -> Document:
    return {"error": {"code": status, "message": message, "status": STATUSES.get(status, "UNKNOWN")}}


def either(holder: Any, name: str) -> Any:
    """A field under its camel-case or its snake-case name: Gemini reads both."""
    if not isinstance(holder, dict):
        return None
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return holder.get(name, holder.get(snake))


def openai_document(body: Document, model: str, stream: bool) -> Document:
    """The request in OpenAI's shape, as far as scenarios read it."""
    messages = [said for content in dicts(body["contents"]) for said in openai_messages(content)]
    if system := either(body, "systemInstruction"):
        messages.insert(0, {"role": "system", "content": text_parts(system)})
    document: Document = {
        "model": model,
        "messages": messages,
        "stream": stream,
        "stream_options": {"include_usage": True},
    }
    config = either(body, "generationConfig") or {}
    if limit := either(config, "maxOutputTokens"):
        document["max_tokens"] = limit
    if either(config, "responseMimeType") == "application/json":
        schema = either(config, "responseSchema") or either(config, "responseJsonSchema")
        document["response_format"] = {
            "type": "json_schema" if schema else "json_object",
            "json_schema": {"schema": plain_schema(schema)},
        }
    add_tools(document, body)
    return document


def add_tools(document: Document, body: Document) -> None:
    """`tools` and `tool_choice` as OpenAI spells them."""
    declared = [
        {"name": function.get("name"), "parameters": plain_schema(parameters_of(function))}
        for tool in dicts(body.get("tools"))
        for function in dicts(either(tool, "functionDeclarations"))
    ]
    if not declared:
        return
    document["tools"] = [{"type": "function", "function": function} for function in declared]
    config = either(either(body, "toolConfig"), "functionCallingConfig") or {}
    names = either(config, "allowedFunctionNames")
    if names:
        document["tool_choice"] = {"type": "function", "function": {"name": names[0]}}
    else:
        spelled = {"ANY": "required", "NONE": "none"}
        document["tool_choice"] = spelled.get(str(config.get("mode")), "auto")


def parameters_of(function: Document) -> Any:
    return function.get("parameters") or either(function, "parametersJsonSchema")


def plain_schema(schema: Any) -> Any:
    """The schema with JSON Schema's type names; Gemini's own are in capitals."""
    if isinstance(schema, list):
        return [plain_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: plain_schema(item) for name, item in schema.items()}
    if isinstance(plain.get("type"), str):
        plain["type"] = plain["type"].lower()
    return plain


def openai_messages(content: Document) -> Iterator[Document]:
    """One content: its function responses as messages of their own, then what else it says."""
    parts = dicts(content.get("parts"))
    for part in parts:
        response = either(part, "functionResponse")
        if response:
            yield {"role": "tool", "content": orjson.dumps(response.get("response")).decode()}
    said = [*text_parts(content), *({"type": "image_url"} for part in parts if either(part, "inlineData"))]
    if said:
        yield {"role": "assistant" if content.get("role") == "model" else "user", "content": said}


def text_parts(content: Any) -> list[Document]:
    parts = dicts(content.get("parts")) if isinstance(content, dict) else []
    return [{"type": "text", "text": part["text"]} for part in parts if "text" in part]


class Tongue:
    """One answer in Gemini's shapes."""

    def __init__(self, model: str, id: str) -> None:
        self._model, self._id = model, id
        self._finish = ""
        self._calls: dict[int, Document] = {}

    def chunk(self, chunk: Document) -> Iterator[Part]:
        """A piece of the answer; the finish reason comes with the usage, function calls whole."""
        if chunk.get("usage"):
            yield from self._close(usage_of(chunk["usage"]))
            return
        choice = first_choice(chunk)
        delta = choice.get("delta") or {}
        for part in parts_of(delta | {"tool_calls": None}):
            yield self._event(self._candidate([part]))
        for call in delta.get("tool_calls") or ():
            kept = self._calls.setdefault(call["index"], {"function": {"name": "", "arguments": ""}})
            for name in ("name", "arguments"):
                kept["function"][name] += call["function"].get(name) or ""
        if choice.get("finish_reason"):
            calls = [self._calls[index] for index in sorted(self._calls)]
            if calls:
                yield self._event(self._candidate(list(parts_of({"tool_calls": calls}))))
            self._finish = choice["finish_reason"]

    def done(self) -> Iterator[Part]:
        """Gemini's streams just end; the finish reason is told if it has not been."""
        if self._finish:
            yield from self._close(None)

    def document(self, completion: Document) -> Document:
        """A whole answer."""
        choice = completion["choices"][0]
        candidate = self._candidate(list(parts_of(choice.get("message") or {})))
        candidate["finishReason"] = FINISH_REASONS.get(str(choice.get("finish_reason")), "STOP")
        usage = completion.get("usage")
        return self._shell(candidate, usage_of(usage) if usage else None)

    def error(self, status: int, error: Document) -> Document:
        """Google's error for this status."""
        code = error.get("code")
        return error_body(code if isinstance(code, int) else status, str(error.get("message")))

    def error_event(self, error: Document) -> Iterator[Part]:
        """An error object as an event."""
        yield event(error_body(503, str(error.get("message"))))

    def _close(self, usage: Document | None) -> Iterator[Part]:
        if not self._finish:
            if usage is not None:
                yield event(self._shell(None, usage))
            return
        candidate = self._candidate([{"text": ""}])
        candidate["finishReason"] = FINISH_REASONS[self._finish]
        self._finish = ""
        yield event(self._shell(candidate, usage))

    def _candidate(self, parts: list[Document]) -> Document:
        return {"content": {"parts": parts, "role": "model"}, "index": 0}

    def _event(self, candidate: Document) -> Part:
        return event(self._shell(candidate, None))

    def _shell(self, candidate: Document | None, usage: Document | None) -> Document:
        shell: Document = {"candidates": [candidate]} if candidate else {}
        if usage:
            shell["usageMetadata"] = usage
        return shell | {"modelVersion": self._model, "responseId": self._id}


def parts_of(message: Document) -> Iterator[Document]:
    """The parts of a message or a delta: thoughts, text, function calls."""
    if message.get("reasoning_content"):
        yield {"text": message["reasoning_content"], "thought": True}
    if message.get("content"):
        yield {"text": message["content"]}
    for call in message.get("tool_calls") or ():
        function = call["function"]
        yield {"functionCall": {"name": function["name"], "args": orjson.loads(function["arguments"])}}


def usage_of(usage: Document) -> Document:
    """Gemini counts thoughts apart from the other output."""
    thoughts = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens", 0)
    cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0)
    counted = {
        "promptTokenCount": usage.get("prompt_tokens", 0),
        "candidatesTokenCount": usage.get("completion_tokens", 0) - thoughts,
        "totalTokenCount": usage.get("total_tokens", 0),
    }
    if thoughts:
        counted["thoughtsTokenCount"] = thoughts
    if cached:
        counted["cachedContentTokenCount"] = cached
    return counted


def event(document: Document) -> Part:
    """One event as Google frames it."""
    return Part(b"data: " + orjson.dumps(document) + b"\r\n\r\n", 1)
