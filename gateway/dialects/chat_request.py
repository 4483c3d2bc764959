"""The body of a chat completion: bytes → a checked request."""

from typing import Any

from gateway.dialects.dialect import ModelRequest
from gateway.parse import (
    BYTES_PER_TOKEN,
    DEFAULT_MODEL,
    TOKENS_PER_IMAGE,
    bad,
    check_fields,
    end_user_of,
    is_remote,
    parse_body,
)
from routing.engine.snapshot import IMAGE_URLS


def parse_chat(body: bytes) -> ModelRequest:
    """Check a body. Raises BadRequest with code and param; nothing is coerced."""
    payload = parse_body(body)
    check_fields(payload)
    messages = check_messages(payload)
    images, audio = count_media(messages)
    return ModelRequest(
        payload=payload,
        model=payload.get("model") or DEFAULT_MODEL,
        stream=payload.get("stream", False),
        include_usage=wants_usage(payload),
        needs=read_needs(payload, image_urls(messages) if images else [], images=images, audio=audio),
        input_tokens=estimate_tokens(body, messages, images),
        max_tokens=payload.get("max_completion_tokens", payload.get("max_tokens")),
        end_user=end_user_of(payload),
    )


def wants_usage(payload: dict[str, Any]) -> bool:
    """Whether a stream shall end with a chunk that holds the usage."""
    return bool((payload.get("stream_options") or {}).get("include_usage"))


def check_messages(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """The messages: a list that is not empty, of objects with a role."""
    messages = payload.get("messages")
    if messages is None:
        raise bad(
            "`messages` is missing: send a list of messages, each with a role and content.",
            "missing_field",
            "messages",
        )
    if not isinstance(messages, list):
        raise bad("`messages` must be a list.", "invalid_type", "messages")
    if not messages:
        raise bad("`messages` is empty: send at least one message.", "invalid_value", "messages")
    for count, message in enumerate(messages):
        if not isinstance(message, dict):
            raise bad("Each message must be an object.", "invalid_type", f"messages[{count}]")
        role = message.get("role")
        if not isinstance(role, str):
            code = "missing_field" if role is None else "invalid_type"
            raise bad("Each message needs a `role`, a string.", code, f"messages[{count}].role")
        content = message.get("content")
        if content is not None and not isinstance(content, str | list):
            raise bad(
                "`content` must be a string or a list of parts.", "invalid_type", f"messages[{count}].content"
            )
    return messages


def count_media(messages: list[dict[str, Any]]) -> tuple[int, int]:
    """How many image and audio parts the messages hold."""
    images = audio = 0
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            kinds = [part.get("type") for part in content if isinstance(part, dict)]
            images += kinds.count("image_url")
            audio += kinds.count("input_audio")
    return images, audio


def read_needs(payload: dict[str, Any], urls: list[object], *, images: int, audio: int) -> frozenset[str]:
    """What a deployment must be capable of to answer this."""
    response_format = payload.get("response_format")
    wants_schema = isinstance(response_format, dict) and response_format.get("type") == "json_schema"
    wanted = {
        "tools": bool(payload.get("tools") or payload.get("functions")),
        "vision": images > 0,
        IMAGE_URLS: any(map(is_remote, urls)),
        "audio": audio > 0,
        "json_schema": wants_schema,
    }
    return frozenset(need for need, needed in wanted.items() if needed)


def estimate_tokens(body: bytes, messages: list[dict[str, Any]], images: int) -> int:
    """Input tokens by the formula of gateway.parse."""
    size = len(body) - (data_url_bytes(messages) if images else 0)
    return max(1, size // BYTES_PER_TOKEN) + images * TOKENS_PER_IMAGE


def data_url_bytes(messages: list[dict[str, Any]]) -> int:
    """Bytes of image data inside the messages; they are not text and not priced as such."""
    return sum(len(url) for url in image_urls(messages) if isinstance(url, str) and not is_remote(url))


def image_urls(messages: list[dict[str, Any]]) -> list[object]:
    """What the messages name as addresses of images."""
    contents = [message.get("content") for message in messages]
    parts = [part for content in contents if isinstance(content, list) for part in content]
    images = [part.get("image_url") for part in parts if isinstance(part, dict)]
    return [image.get("url") if isinstance(image, dict) else image for image in images]
