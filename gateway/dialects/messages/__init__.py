"""Anthropic's Messages API, as its SDKs and Claude Code speak it."""

from typing import Any, ClassVar

from gateway.dialects.dialect import ModelRequest, StreamEncoder
from gateway.dialects.messages.answer import message_from_chat
from gateway.dialects.messages.count import count_tokens
from gateway.dialects.messages.errors import error_document, status_of
from gateway.dialects.messages.native import MessagesCheck, check_message, read_message_usage
from gateway.dialects.messages.request import parse_messages
from gateway.dialects.messages.stream import EventEncoder, TranslatingEncoder
from gateway.errors import GatewayError
from gateway.usage import Usage

__all__ = ["Messages", "count_tokens"]


class Messages:
    """POST /v1/messages."""

    name: ClassVar[str] = "messages"
    path: ClassVar[str] = "/messages"

    def parse(self, body: bytes) -> ModelRequest:
        """Check a client's body. Raises BadRequest."""
        return parse_messages(body)

    def check_answer(self, body: Any, model: str) -> tuple[dict[str, Any], int]:
        """A whole message and the bytes of text in it. Raises NotAnAnswer."""
        return check_message(body, model)

    def check_stream(self, model: str, created: int) -> MessagesCheck:
        """The check of an event stream; messages carry no `created`."""
        return MessagesCheck(model)

    def read_usage(self, raw: dict[str, Any]) -> Usage | None:
        """Anthropic's usage object."""
        return read_message_usage(raw)

    def from_chat(self, completion: dict[str, Any], request: ModelRequest) -> dict[str, Any]:
        """The first choice as a message."""
        return message_from_chat(completion, request)

    def encoder(self, request: ModelRequest, model: str, *, translated: bool) -> StreamEncoder:
        """Named events: Anthropic's own passed on, or chat chunks said as such."""
        return TranslatingEncoder(request, model) if translated else EventEncoder()

    def error_body(self, error: GatewayError, request_id: str) -> bytes:
        """Anthropic's error shape."""
        return error_document(error, request_id)

    def error_status(self, error: GatewayError) -> int:
        """Anthropic's status: 529 says that nobody can answer now."""
        return status_of(error)
