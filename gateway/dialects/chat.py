"""Chat completions: the dialect that every upstream is asked in when it does not speak the client's own."""

import time
from typing import Any, ClassVar

from gateway.dialects.chat_request import parse_chat
from gateway.dialects.dialect import Event, ModelRequest, NotAnAnswer
from gateway.errors import GatewayError
from gateway.sse import DONE, frame
from gateway.upstream.chunks import (
    ChunkCheck,
    is_completion,
    look_for_failure,
    put_indexes_right,
    text_bytes,
)
from gateway.usage import Usage, read_usage


class Chat:
    """POST /v1/chat/completions."""

    name: ClassVar[str] = "chat"
    path: ClassVar[str] = "/chat/completions"

    def parse(self, body: bytes) -> ModelRequest:
        """Check a client's body. Raises BadRequest."""
        return parse_chat(body)

    def check_answer(self, body: Any, model: str) -> tuple[dict[str, Any], int]:
        """A whole completion, put right, and the bytes of text in it. Raises NotAnAnswer, or RefusedInside."""
        if not is_completion(body):
            raise NotAnAnswer
        body["model"], body["object"] = model, "chat.completion"
        if not isinstance(body.get("id"), str):
            body["id"] = f"chatcmpl-{time.time_ns():x}"
        if type(body.get("created")) is not int:
            body["created"] = int(time.time())
        put_indexes_right(body["choices"])
        written = 0
        for choice in body["choices"]:
            choice["message"].setdefault("role", "assistant")
            choice["message"].setdefault("content", None)  # some clients read it of a tool call too
            choice.setdefault("finish_reason", "stop")
            look_for_failure(choice)
            written += text_bytes(choice["message"])
        return body, written

    def check_stream(self, model: str, created: int) -> ChunkCheck:
        """The check of a chat stream."""
        return ChunkCheck(model, created)

    def read_usage(self, raw: dict[str, Any]) -> Usage | None:
        """OpenAI's usage object, or DeepSeek's."""
        return read_usage(raw)

    def from_chat(self, completion: dict[str, Any], request: ModelRequest) -> dict[str, Any]:
        """It is one already."""
        return completion

    def encoder(self, request: ModelRequest, model: str, *, translated: bool) -> "ChatEncoder":
        """Chunks as frames."""
        return ChatEncoder(include_usage=request.include_usage)

    def error_body(self, error: GatewayError, request_id: str) -> bytes:
        """OpenAI's envelope."""
        return error.body()

    def error_status(self, error: GatewayError) -> int:
        """The error's own."""
        return error.status


class ChatEncoder:
    """One `data:` frame for each chunk; the usage chunk only for clients that asked for it."""

    __slots__ = ("_include_usage",)

    def __init__(self, *, include_usage: bool) -> None:
        self._include_usage = include_usage

    def events(self, events: list[Event]) -> bytes:
        """The chunks in the order they came."""
        return b"".join([frame(chunk) for chunk in events if chunk["choices"] or self._include_usage])

    def end(self) -> bytes:
        """The end that every client waits for."""
        return DONE

    def error(self, error: GatewayError) -> bytes:
        """Two frames, and no [DONE]: most clients raise on the first, some only know a chunk when they see one."""
        choices = [{"index": 0, "delta": {}, "finish_reason": "error"}]
        told = {"error": error.envelope()}
        return frame(told) + frame({**told, "choices": choices})
