"""POST /v1/messages/count_tokens: an estimate, since every upstream counts with a tokenizer of its own.

One token for every four bytes, rounded up, of what the model reads: the text of `system` and of the messages (text,
results of tools, documents that are text), names and JSON of tool calls, and the tools as JSON. 1,000 for each image,
and for each document that is not text. Earlier thinking is not read again. At least 1.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from gateway.dialects.messages.check import check_payload
from gateway.parse import BYTES_PER_TOKEN, DEFAULT_MODEL, TOKENS_PER_IMAGE, parse_body

Block = dict[str, Any]


class InputCount(NamedTuple):
    """The model that was asked about, and the estimated input tokens."""

    model: str
    tokens: int


def count_tokens(body: bytes) -> InputCount:
    """The model and the estimated input tokens of a body like a message request's; `max_tokens` may be missing.

    Raises BadRequest.
    """
    payload = parse_body(body)
    media = check_payload(payload, to_answer=False)
    size = content_bytes(payload.get("system")) + tool_bytes(payload.get("tools", []))
    size += sum(content_bytes(message["content"]) for message in payload["messages"])
    tokens = -(-size // BYTES_PER_TOKEN) + (media.images + media.documents) * TOKENS_PER_IMAGE
    return InputCount(payload.get("model") or DEFAULT_MODEL, max(1, tokens))


def tool_bytes(tools: list[Block]) -> int:
    """The tools as JSON; what only steers a cache is not read by a model."""
    return sum(json_bytes({name: tool[name] for name in tool if name != "cache_control"}) for tool in tools)


def content_bytes(content: Any) -> int:
    """The text in a content: a string, a list of blocks, or nothing."""
    if isinstance(content, str):
        return len(content.encode())
    return sum(map(block_bytes, content)) if isinstance(content, list) else 0


def block_bytes(block: Block) -> int:
    """The text in one block."""
    return SIZES.get(block["type"], json_bytes)(block)


def document_bytes(block: Block) -> int:
    """A document's words about itself, and itself where it is text."""
    source = block["source"]
    inside = {"text": "data", "content": "content"}.get(source["type"], "")
    return (
        content_bytes(block.get("title"))
        + content_bytes(block.get("context"))
        + content_bytes(source.get(inside))
    )


def json_bytes(value: object) -> int:
    """The size of a value as JSON."""
    return len(orjson.dumps(value))


SIZES: dict[str, Callable[[Block], int]] = {
    "text": lambda block: content_bytes(block["text"]),
    "image": lambda block: 0,
    "document": document_bytes,
    "thinking": lambda block: 0,
    "redacted_thinking": lambda block: 0,
    "tool_use": lambda block: content_bytes(block["name"]) + json_bytes(block["input"]),
    "tool_result": lambda block: content_bytes(block.get("content")),
    "search_result": lambda block: sum(content_bytes(block[name]) for name in ("source", "title", "content")),
}
