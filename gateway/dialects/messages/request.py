"""The body of a message request: bytes → a checked request, and the same said as a chat.

Input tokens are estimated as for chat: one for every four bytes of the body, base64 data left out, plus 1,000 for each
image, and as much for a document that is not text.
"""

from typing import Any

from gateway.dialects.dialect import ModelRequest
from gateway.dialects.messages.check import Media, check_payload
from gateway.dialects.messages.settings import json_schema_of, left_out_of
from gateway.dialects.messages.to_chat import HINTS, to_chat
from gateway.errors import BadRequest
from gateway.parse import BYTES_PER_TOKEN, DEFAULT_MODEL, TOKENS_PER_IMAGE, parse_body
from routing.engine.snapshot import IMAGE_URLS


def parse_messages(body: bytes) -> ModelRequest:
    """Check a body. Raises BadRequest with code and param; nothing is coerced."""
    payload = parse_body(body)
    media = check_payload(payload)
    chat, obstacle = translate(payload)
    left_out = left_out_of(payload, body) if chat is not None else {}
    drop_unsigned_thoughts(payload["messages"])
    return ModelRequest(
        payload=payload,
        model=payload.get("model") or DEFAULT_MODEL,
        dialect="messages",
        stream=payload.get("stream", False),
        needs=read_needs(payload, media),
        input_tokens=estimate_tokens(body, media),
        max_tokens=payload["max_tokens"],
        end_user=payload.get("metadata", {}).get("user_id") or "",
        chat=chat,
        obstacle=obstacle,
        hints=frozenset(HINTS & chat.keys()) if chat is not None else frozenset(),
        left_out=left_out,
    )


def translate(payload: dict[str, Any]) -> tuple[dict[str, Any] | None, BadRequest | None]:
    """The chat, or what is in its way."""
    try:
        return to_chat(payload), None
    except BadRequest as obstacle:
        return None, obstacle


def drop_unsigned_thoughts(messages: list[dict[str, Any]]) -> None:
    """Take thinking without a signature out of the history.

    Only a translated answer holds such thinking, and Anthropic refuses a request that brings it along.
    """
    for message in messages:
        content = message["content"]
        if message["role"] == "assistant" and isinstance(content, list):
            signed = [block for block in content if block["type"] != "thinking" or block.get("signature")]
            message["content"] = signed or content


def read_needs(payload: dict[str, Any], media: Media) -> frozenset[str]:
    """What a deployment must be capable of to answer this."""
    wanted = {
        "tools": bool(payload.get("tools")),
        "vision": media.images > 0,
        IMAGE_URLS: media.remote_images > 0,
        "json_schema": json_schema_of(payload) is not None,
    }
    return frozenset(need for need, needed in wanted.items() if needed)


def estimate_tokens(body: bytes, media: Media) -> int:
    """Input tokens by the formula of this module."""
    size = len(body) - media.data_bytes
    return max(1, size // BYTES_PER_TOKEN) + (media.images + media.documents) * TOKENS_PER_IMAGE
