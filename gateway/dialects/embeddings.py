"""Embeddings: relayed to an upstream that serves them; nothing else can stand in for one."""

from typing import Any, ClassVar

from gateway.dialects.chat import ChatEncoder
from gateway.dialects.dialect import ModelRequest, NotAnAnswer, StreamCheck
from gateway.errors import GatewayError, InternalError
from gateway.parse import (
    BYTES_PER_TOKEN,
    DEFAULT_MODEL,
    WHOLE,
    Range,
    bad,
    check_range,
    end_user_of,
    parse_body,
)
from gateway.usage import Usage, count

DIMENSIONS = Range(WHOLE, 1, 1_000_000, "a whole number from 1")
FORMATS = ("float", "base64")


class Embeddings:
    """POST /v1/embeddings."""

    name: ClassVar[str] = "embeddings"
    path: ClassVar[str] = "/embeddings"

    def parse(self, body: bytes) -> ModelRequest:
        """Check a client's body. Raises BadRequest."""
        payload = parse_body(body)
        check_payload(payload)
        return ModelRequest(
            payload=payload,
            model=payload.get("model") or DEFAULT_MODEL,
            dialect=self.name,
            input_tokens=max(1, len(body) // BYTES_PER_TOKEN),
            end_user=end_user_of(payload),
        )

    def check_answer(self, body: Any, model: str) -> tuple[dict[str, Any], int]:
        """A list of embeddings; they hold no text. Raises NotAnAnswer."""
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, list) or not data:
            raise NotAnAnswer
        for place, item in enumerate(data):
            if not isinstance(item, dict) or not isinstance(item.get("embedding"), list | str):
                raise NotAnAnswer
            if not item["embedding"]:
                raise NotAnAnswer
            item.setdefault("object", "embedding")
            item.setdefault("index", place)
        body["object"], body["model"] = "list", model
        return body, 0

    def check_stream(self, model: str, created: int) -> StreamCheck:
        """There are no streams of embeddings; `parse` refuses them."""
        raise NotAnAnswer

    def read_usage(self, raw: dict[str, Any]) -> Usage | None:
        """Input tokens only."""
        prompt = count(raw.get("prompt_tokens"))
        prompt = count(raw.get("total_tokens")) if prompt is None else prompt
        return None if prompt is None else Usage(input=prompt, raw=raw)

    def from_chat(self, completion: dict[str, Any], request: ModelRequest) -> dict[str, Any]:
        """Never asked for: nothing translates into embeddings."""
        raise InternalError("A chat completion cannot be turned into embeddings.")

    def encoder(self, request: ModelRequest, model: str, *, translated: bool) -> ChatEncoder:
        """Only for the error frame that any dialect must be able to write."""
        return ChatEncoder(include_usage=False)

    def error_body(self, error: GatewayError, request_id: str) -> bytes:
        """OpenAI's envelope."""
        return error.body()

    def error_status(self, error: GatewayError) -> int:
        """The error's own."""
        return error.status


def check_payload(payload: dict[str, Any]) -> None:
    """Types and ranges. Raises BadRequest."""
    for name in ("model", "user"):
        if name in payload and not isinstance(payload[name], str):
            raise bad(f"`{name}` must be a string.", "invalid_type", name)
    if payload.get("stream"):
        raise bad("Embeddings are not streamed. Leave `stream` out.", "invalid_value", "stream")
    if payload.get("encoding_format", "float") not in FORMATS:
        raise bad("`encoding_format` must be float or base64.", "invalid_value", "encoding_format")
    if "dimensions" in payload:
        check_range("dimensions", payload["dimensions"], DIMENSIONS)
    check_input(payload)


def check_input(payload: dict[str, Any]) -> None:
    """A string, a list of strings, a list of tokens, or a list of those; not empty."""
    if "input" not in payload:
        raise bad("`input` is missing: send the text to embed.", "missing_field", "input")
    given = payload["input"]
    if not given and isinstance(given, str | list):
        raise bad("`input` is empty: send the text to embed.", "invalid_value", "input")
    if isinstance(given, str):
        return
    if not isinstance(given, list) or not all(isinstance(item, str | int | list) for item in given):
        raise bad("`input` must be a string, or a list of strings or tokens.", "invalid_type", "input")
