"""The body of a chat completion: bytes → a request that is safe to plan and to send on.

Unknown fields are kept at every level and travel to the upstream. Tokens are estimated as one for every four bytes of
the JSON body, image data left out, plus 1,000 for each image: coarse, cheap, and the same for every provider.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from gateway.errors import BadRequest

DEFAULT_MODEL = "rainymodel/auto"
MAX_DEPTH = 64
BYTES_PER_TOKEN = 4
TOKENS_PER_IMAGE = 1000
# What decides where a request goes and with which credential belongs to the catalogue, never to a body.
NOT_FROM_A_BODY = (
    "api_base",
    "api_key",
    "api_version",
    "base_url",
    "custom_llm_provider",
    "extra_headers",
    "user_config",
)


class Range(NamedTuple):
    """The type of a field and the values it may have."""

    kinds: tuple[type, ...]
    low: float
    high: float
    said: str


WHOLE, NUMBER = (int,), (int, float)
RANGES = {
    "max_tokens": Range(WHOLE, 1, 10_000_000, "a whole number from 1"),
    "max_completion_tokens": Range(WHOLE, 1, 10_000_000, "a whole number from 1"),
    "n": Range(WHOLE, 1, 128, "a whole number from 1 to 128"),
    "temperature": Range(NUMBER, 0, 2, "a number from 0 to 2"),
    "top_p": Range(NUMBER, 0, 1, "a number from 0 to 1"),
    "top_logprobs": Range(WHOLE, 0, 100, "a whole number from 0 to 100"),
    "frequency_penalty": Range(NUMBER, -2, 2, "a number from -2 to 2"),
    "presence_penalty": Range(NUMBER, -2, 2, "a number from -2 to 2"),
    "seed": Range(WHOLE, -(2**63), 2**63 - 1, "a whole number"),
}
MAX_TOOLS = 4096


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A checked chat completion. `payload` is the client's JSON, explicit nulls of known fields removed."""

    payload: dict[str, Any]
    model: str
    stream: bool = False
    include_usage: bool = False
    needs: frozenset[str] = frozenset()
    input_tokens: int = 0
    max_tokens: int | None = None
    end_user: str = ""


def parse_chat(body: bytes) -> ChatRequest:
    """Check a body. Raises BadRequest with code and param; nothing is coerced."""
    payload = parse_json(body)
    for name in NOT_FROM_A_BODY:
        if name in payload:
            raise bad(
                f"`{name}` cannot be set by a request; the operator's catalogue decides it.",
                "not_allowed",
                name,
            )
    without_nulls(payload)
    check_fields(payload)
    messages = check_messages(payload)
    images, audio = count_media(messages)
    return ChatRequest(
        payload=payload,
        model=payload.get("model") or DEFAULT_MODEL,
        stream=payload.get("stream", False),
        include_usage=bool((payload.get("stream_options") or {}).get("include_usage")),
        needs=read_needs(payload, images=images, audio=audio),
        input_tokens=estimate_tokens(body, messages, images),
        max_tokens=payload.get("max_completion_tokens", payload.get("max_tokens")),
        end_user=end_user_of(payload),
    )


def parse_json(body: bytes) -> dict[str, Any]:
    """A JSON object no deeper than MAX_DEPTH. Raises BadRequest with line and column."""
    if not body.strip():
        raise bad("The request body is empty. Send a JSON object.", "invalid_json")
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise bad(f"The request body is not valid JSON in UTF-8 ({where}).", "invalid_json") from None
    if not isinstance(payload, dict):
        raise bad("The request body must be a JSON object.", "invalid_type")
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and deeper_than(payload, MAX_DEPTH):
        raise bad(f"The request body is nested deeper than {MAX_DEPTH} levels.", "invalid_json")
    return payload


def deeper_than(value: object, limit: int) -> bool:
    """Whether containers nest deeper than `limit`; walks level by level, so no recursion."""
    level: list[object] = [value]
    for _ in range(limit + 1):
        if not level:
            return False
        below: list[object] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        level = [item for item in below if isinstance(item, dict | list)]
    return bool(level)


def without_nulls(payload: dict[str, Any]) -> None:
    """An explicit null counts as absent."""
    for name in [name for name, value in payload.items() if value is None]:
        del payload[name]


def check_fields(payload: dict[str, Any]) -> None:
    """Types and ranges of the fields that routing and accounting rely on."""
    for name, kind, said in (
        ("model", str, "a string"),
        ("stream", bool, "true or false"),
        ("user", str, "a string"),
    ):
        if name in payload and not isinstance(payload[name], kind):
            raise bad(f"`{name}` must be {said}.", "invalid_type", name)
    for name, rule in RANGES.items():
        if name in payload:
            check_range(name, payload[name], rule)
    for name in ("stream_options", "response_format", "metadata"):
        if name in payload and not isinstance(payload[name], dict | str):
            raise bad(f"`{name}` must be an object.", "invalid_type", name)
    if isinstance(payload.get("stream_options"), str):
        raise bad("`stream_options` must be an object.", "invalid_type", "stream_options")
    tools = payload.get("tools", [])
    if not isinstance(tools, list) or len(tools) > MAX_TOOLS:
        raise bad(f"`tools` must be a list of at most {MAX_TOOLS} tools.", "invalid_type", "tools")


def check_range(name: str, value: object, rule: Range) -> None:
    """Raises BadRequest unless the value has the rule's type and lies in its range."""
    if isinstance(value, bool) or not isinstance(value, rule.kinds):
        raise bad(f"`{name}` must be {rule.said}.", "invalid_type", name)
    if not rule.low <= value <= rule.high:  # type: ignore[operator]  # a number, as checked above
        raise bad(f"`{name}` must be {rule.said}.", "invalid_value", name)


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


def read_needs(payload: dict[str, Any], *, images: int, audio: int) -> frozenset[str]:
    """What a deployment must be capable of to answer this."""
    response_format = payload.get("response_format")
    wants_schema = isinstance(response_format, dict) and response_format.get("type") == "json_schema"
    wanted = {
        "tools": bool(payload.get("tools") or payload.get("functions")),
        "vision": images > 0,
        "audio": audio > 0,
        "json_schema": wants_schema,
    }
    return frozenset(need for need, needed in wanted.items() if needed)


def estimate_tokens(body: bytes, messages: list[dict[str, Any]], images: int) -> int:
    """Input tokens by the formula of this module."""
    size = len(body) - (data_url_bytes(messages) if images else 0)
    return max(1, size // BYTES_PER_TOKEN) + images * TOKENS_PER_IMAGE


def data_url_bytes(messages: list[dict[str, Any]]) -> int:
    """Bytes of image data inside the messages; they are not text and not priced as such."""
    total = 0
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            image = part.get("image_url") if isinstance(part, dict) else None
            url = image.get("url") if isinstance(image, dict) else image
            if isinstance(url, str) and url.startswith("data:"):
                total += len(url)
    return total


def end_user_of(payload: dict[str, Any]) -> str:
    """The end user behind the caller: `user`, else `safety_identifier`, else `metadata.user_id`."""
    metadata = payload.get("metadata")
    from_metadata = metadata.get("user_id") if isinstance(metadata, dict) else None
    user = payload.get("user") or payload.get("safety_identifier") or from_metadata
    return user if isinstance(user, str) else ""


def bad(message: str, code: str, param: str | None = None) -> BadRequest:
    """A 400 with its code and the field it concerns."""
    return BadRequest(message, code=code, param=param)
