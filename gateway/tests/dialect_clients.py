"""One small client for each dialect, so that the same question can be asked and the same answer read in all of them.

They read strictly: an answer or a stream that stock clients would trip over fails an assertion here.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
import orjson

from gateway.tests.live import LiveGateway

Document = dict[str, Any]
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
HTTP = httpx.Client(timeout=60, trust_env=False)  # one for all: making one takes longer than most requests
CITY: Document = {
    "type": "object",
    "properties": {"city": {"type": "string", "enum": ["Paris"]}},
    "required": ["city"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: words, tools by name (each takes a city), an image, an answer in the form of `CITY`."""

    words: str
    tools: tuple[str, ...] = ()
    image: bool = False
    schema: bool = False


@dataclass(slots=True)
class Answer:
    """What a client has read. `finish` is said in chat's words, `usage` is all input and all output tokens."""

    status: int
    headers: httpx.Headers
    text: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    finish: str = ""
    usage: tuple[int, int] = (0, 0)
    model: str = ""
    error: str = ""

    @property
    def request_id(self) -> str:
        """The name of its log row."""
        return self.headers["x-request-id"]


class Client(Protocol):
    """One dialect."""

    path: str
    streaming: Document  # the fields that ask for a stream, with its usage

    def body(self, question: Question) -> Document:
        """The question as JSON, without model and stream."""

    def read(self, answer: Answer, document: Document) -> None:
        """A whole answer."""

    def read_stream(self, answer: Answer, events: list[tuple[str, str]]) -> None:
        """The names (empty where there is none) and data of all events."""

    def read_error(self, document: Document) -> str:
        """The message of an error before the first byte."""


def ask(
    gateway: LiveGateway,
    client: Client,
    model: str,
    question: Question,
    *,
    stream: bool = False,
    **fields: Any,
) -> Answer:
    """The answer to one question; `fields` go into the body."""
    response = HTTP.post(
        gateway.url + client.path,
        json={"model": model, **client.body(question), **(client.streaming if stream else {}), **fields},
        headers=gateway.headers(),
    )
    answer = Answer(response.status_code, response.headers)
    if response.status_code != 200:
        assert response.headers["content-type"] == "application/json"
        answer.error = client.read_error(response.json())
    elif stream:
        assert response.headers["content-type"].startswith("text/event-stream")
        client.read_stream(answer, list(events_in(response.text)))
    else:
        client.read(answer, response.json())
    return answer


def events_in(text: str) -> Iterator[tuple[str, str]]:
    """Name and data of each event; keep-alive comments are skipped."""
    assert text.endswith("\n\n")
    for block in text.removesuffix("\n\n").split("\n\n"):
        lines = [line.partition(": ") for line in block.split("\n") if not line.startswith(":")]
        if lines:
            fields = {name: value for name, _, value in lines}
            yield fields.get("event", ""), fields["data"]


class ChatClient:
    """Chat completions."""

    path = "/v1/chat/completions"
    streaming: Document = {"stream": True, "stream_options": {"include_usage": True}}

    def body(self, question: Question) -> Document:
        content: Any = question.words
        if question.image:
            url = f"data:image/png;base64,{PIXEL}"
            content = [
                {"type": "text", "text": question.words},
                {"type": "image_url", "image_url": {"url": url}},
            ]
        fields: Document = {"messages": [{"role": "user", "content": content}]}
        if question.tools:
            functions = [{"name": name, "parameters": CITY} for name in question.tools]
            fields["tools"] = [{"type": "function", "function": function} for function in functions]
        if question.schema:
            fields["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "place", "schema": CITY, "strict": True},
            }
        return {**fields, "max_tokens": 500}

    def read(self, answer: Answer, document: Document) -> None:
        assert document["object"] == "chat.completion"
        (choice,) = document["choices"]
        message = choice["message"]
        answer.text, answer.model = message["content"] or "", document["model"]
        answer.finish, answer.usage = choice["finish_reason"], self._usage(document["usage"])
        for call in message.get("tool_calls") or ():
            assert call["id"] and call["type"] == "function"
            answer.calls.append((call["function"]["name"], orjson.loads(call["function"]["arguments"])))

    def read_stream(self, answer: Answer, events: list[tuple[str, str]]) -> None:
        chunks = [orjson.loads(data) for _, data in events if data != "[DONE]"]
        if "error" in chunks[-1]:
            answer.error = chunks.pop()["error"]["message"]
            assert chunks.pop()["error"]["message"] == answer.error
        else:
            assert events[-1][1] == "[DONE]"
        assert len({chunk["id"] for chunk in chunks}) <= 1
        calls: dict[int, list[str]] = {}
        for choice in (choice for chunk in chunks for choice in chunk["choices"]):
            answer.text += choice["delta"].get("content") or ""
            answer.finish += choice.get("finish_reason") or ""
            for piece in choice["delta"].get("tool_calls") or ():
                if piece["index"] not in calls:
                    assert piece["id"] and piece["type"] == "function"
                    calls[piece["index"]] = [piece["function"]["name"], ""]
                calls[piece["index"]][1] += piece["function"].get("arguments") or ""
        assert list(calls) == list(range(len(calls)))
        answer.calls = [(name, orjson.loads(arguments)) for name, arguments in calls.values()]
        answer.model = chunks[0]["model"] if chunks else ""
        if not answer.error:
            assert chunks[-1]["choices"] == []
            answer.usage = self._usage(chunks[-1]["usage"])

    def read_error(self, document: Document) -> str:
        assert set(document["error"]) == {"message", "type", "param", "code"}
        return str(document["error"]["message"])

    def _usage(self, usage: Document) -> tuple[int, int]:
        assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
        return usage["prompt_tokens"], usage["completion_tokens"]


class ResponsesClient:
    """The Responses API."""

    path = "/v1/responses"
    streaming: Document = {"stream": True}

    def body(self, question: Question) -> Document:
        content: Any = question.words
        if question.image:
            url = f"data:image/png;base64,{PIXEL}"
            content = [
                {"type": "input_text", "text": question.words},
                {"type": "input_image", "detail": "auto", "image_url": url},
            ]
        fields: Document = {"input": [{"role": "user", "content": content}], "max_output_tokens": 500}
        if question.tools:
            fields["tools"] = [
                {"type": "function", "name": name, "parameters": CITY} for name in question.tools
            ]
        if question.schema:
            asked = {"type": "json_schema", "name": "place", "schema": CITY, "strict": True}
            fields["text"] = {"format": asked}
        return fields

    def read(self, answer: Answer, document: Document) -> None:
        assert document["object"] == "response" and document["id"].startswith("resp_")
        answer.model = document["model"]
        for item in document["output"]:
            if item["type"] == "message":
                answer.text += "".join(part["text"] for part in item["content"])
            elif item["type"] == "function_call":
                assert item["call_id"]
                answer.calls.append((item["name"], orjson.loads(item["arguments"])))
        ended = {"completed": "tool_calls" if answer.calls else "stop", "incomplete": "length"}
        answer.finish = ended[document["status"]]
        usage = document["usage"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        answer.usage = (usage["input_tokens"], usage["output_tokens"])

    def read_stream(self, answer: Answer, events: list[tuple[str, str]]) -> None:
        documents = [orjson.loads(data) for _, data in events]
        kinds = [document["type"] for document in documents]
        assert kinds == [name for name, _ in events]
        assert [document["sequence_number"] for document in documents] == list(range(len(documents)))
        assert kinds[0] == "response.created"
        said = "".join(
            document["delta"] for document in documents if document["type"] == "response.output_text.delta"
        )
        if "error" in kinds:
            assert kinds[-2:] == ["error", "response.failed"]
            answer.text, answer.error = said, documents[-2]["message"]
            assert documents[-1]["response"]["status"] == "failed"
            return
        assert kinds[-1] in ("response.completed", "response.incomplete")
        self.read(answer, documents[-1]["response"])
        assert answer.text == said
        assert kinds.count("response.function_call_arguments.done") == len(answer.calls)
        assert kinds.count("response.output_item.added") == kinds.count("response.output_item.done")

    def read_error(self, document: Document) -> str:
        assert set(document["error"]) == {"message", "type", "param", "code"}
        return str(document["error"]["message"])


class MessagesClient:
    """Anthropic's Messages API."""

    path = "/v1/messages"
    streaming: Document = {"stream": True}
    finishes = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length"}

    def body(self, question: Question) -> Document:
        content: Any = question.words
        if question.image:
            source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
            content = [{"type": "image", "source": source}, {"type": "text", "text": question.words}]
        fields: Document = {"messages": [{"role": "user", "content": content}], "max_tokens": 500}
        if question.tools:
            fields["tools"] = [{"name": name, "input_schema": CITY} for name in question.tools]
        if question.schema:
            fields["output_config"] = {"format": {"type": "json_schema", "schema": CITY}}
        return fields

    def read(self, answer: Answer, document: Document) -> None:
        assert document["type"] == "message" and document["role"] == "assistant"
        answer.model, answer.finish = document["model"], self.finishes[document["stop_reason"]]
        for block in document["content"]:
            if block["type"] == "text":
                answer.text += block["text"]
            elif block["type"] == "tool_use":
                assert block["id"]
                answer.calls.append((block["name"], block["input"]))
        answer.usage = self._usage(document["usage"])

    def read_stream(self, answer: Answer, events: list[tuple[str, str]]) -> None:
        documents = [orjson.loads(data) for _, data in events]
        assert [document["type"] for document in documents] == [name for name, _ in events]
        if documents[-1]["type"] == "error":
            answer.error = documents.pop()["error"]["message"]
        assert documents[0]["type"] == "message_start"
        message = documents[0]["message"]
        blocks: list[Document] = []
        is_open = False
        for document in documents[1:]:
            match document["type"]:
                case "content_block_start":
                    assert not is_open and document["index"] == len(blocks)
                    is_open = True
                    blocks.append(document["content_block"] | {"json": ""})
                case "content_block_delta":
                    assert is_open and document["index"] == len(blocks) - 1
                    self._add(blocks[-1], document["delta"])
                case "content_block_stop":
                    assert is_open and document["index"] == len(blocks) - 1
                    is_open = False
                case "message_delta":
                    assert not is_open
                    message |= {**document["delta"], "usage": message["usage"] | document["usage"]}
        if answer.error:
            answer.text = "".join(block.get("text", "") for block in blocks)
            return
        assert documents[-1]["type"] == "message_stop"
        for block in blocks:
            if block["type"] == "tool_use":
                block["input"] = orjson.loads(block["json"] or "{}")
        self.read(answer, message | {"content": blocks})

    def read_error(self, document: Document) -> str:
        assert document["type"] == "error" and set(document["error"]) == {"type", "message"}
        return str(document["error"]["message"])

    def _add(self, block: Document, delta: Document) -> None:
        if delta["type"] == "text_delta":
            block["text"] += delta["text"]
        elif delta["type"] == "input_json_delta":
            block["json"] += delta["partial_json"]

    def _usage(self, usage: Document) -> tuple[int, int]:
        cached = usage.get("cache_read_input_tokens") or 0
        return usage["input_tokens"] + cached, usage["output_tokens"]


CLIENTS: dict[str, Client] = {
    "chat": ChatClient(), "responses": ResponsesClient(), "messages": MessagesClient(),
}  # fmt: skip
