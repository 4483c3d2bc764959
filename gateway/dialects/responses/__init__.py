"""OpenAI's Responses API, without its memory: every request carries its whole conversation.

request   bytes → a checked request, and a chat    answer  a whole chat completion → a response
messages  input items → chat messages              stream  chat chunks → events
tools     tools and tool_choice → chat's           items   output items, whole and while they are written
places    reading JSON with every value's place    native  what upstreams say that speak this themselves
"""

from typing import Any, ClassVar

from gateway.dialects.dialect import ModelRequest, StreamEncoder
from gateway.dialects.responses.answer import read_response_usage, response_of
from gateway.dialects.responses.native import EventCheck, RelayEncoder, check_response
from gateway.dialects.responses.request import parse_responses
from gateway.dialects.responses.stream import TranslatingEncoder
from gateway.errors import GatewayError
from gateway.usage import Usage


class Responses:
    """POST /v1/responses."""

    name: ClassVar[str] = "responses"
    path: ClassVar[str] = "/responses"

    def parse(self, body: bytes) -> ModelRequest:
        """Check a client's body. Raises BadRequest."""
        return parse_responses(body)

    def check_answer(self, body: Any, model: str) -> tuple[dict[str, Any], int]:
        """A whole response and the bytes of text in it. Raises NotAnAnswer, and RefusedInside for a failed one."""
        return check_response(body, model)

    def check_stream(self, model: str, created: int) -> EventCheck:
        """The check of an event stream."""
        return EventCheck(model)

    def read_usage(self, raw: dict[str, Any]) -> Usage | None:
        """Input and output tokens, with what was cached and what was thought."""
        return read_response_usage(raw)

    def from_chat(self, completion: dict[str, Any], request: ModelRequest) -> dict[str, Any]:
        """The response that says what the completion says."""
        return response_of(completion, request)

    def encoder(self, request: ModelRequest, model: str, *, translated: bool) -> StreamEncoder:
        """Named events, numbered from 0."""
        return TranslatingEncoder(request, model) if translated else RelayEncoder(request, model)

    def error_body(self, error: GatewayError, request_id: str) -> bytes:
        """OpenAI's envelope."""
        return error.body()

    def error_status(self, error: GatewayError) -> int:
        """The error's own."""
        return error.status
