"""The body of POST /v1/responses: bytes → a checked request, and the same as a chat completion."""

from typing import Any

from gateway.dialects.dialect import ModelRequest
from gateway.dialects.responses.messages import chat_messages, kind_of
from gateway.dialects.responses.places import (
    NOT_CARRIED,
    Document,
    not_carried,
    objects,
    optional,
    required,
)
from gateway.dialects.responses.tools import chat_tools
from gateway.errors import BadRequest
from gateway.parse import (
    BYTES_PER_TOKEN,
    DEFAULT_MODEL,
    MAX_TOOLS,
    RANGES,
    TOKENS_PER_IMAGE,
    bad,
    check_range,
    end_user_of,
    is_remote,
    parse_body,
)
from routing.engine.snapshot import IMAGE_URLS

FIELDS: dict[str, type] = {
    "model": str,
    "instructions": str,
    "user": str,
    "safety_identifier": str,
    "truncation": str,
    "prompt_cache_key": str,
    "stream": bool,
    "store": bool,
    "background": bool,
    "parallel_tool_calls": bool,
    "tools": list,
    "include": list,
    "text": dict,
    "reasoning": dict,
    "metadata": dict,
    "stream_options": dict,
}
NUMBERS = {
    "max_output_tokens": RANGES["max_tokens"],
    **{name: RANGES[name] for name in ("temperature", "top_p", "top_logprobs")},
}
# What would need a memory of earlier requests; this gateway has none, whatever the upstream could do.
STATEFUL = {
    "previous_response_id": "Send the whole conversation in `input`, and `store` as false.",
    "conversation": "Send the whole conversation in `input`, and `store` as false.",
    "prompt": "Send the text of the prompt in `instructions` and `input`.",
    "background": "Send the request without it, and read the answer, or its stream, to the end.",
}
# Fields that the chat says too, some under another name or with a part left out.
SAID_IN_CHAT = frozenset(
    {"model", "input", "instructions", "stream", "temperature", "top_p", "max_output_tokens", "tools"}
    | {"tool_choice", "parallel_tool_calls", "text", "reasoning", "user", "safety_identifier"}
)


def parse_responses(body: bytes) -> ModelRequest:
    """Check a body. Raises BadRequest with code and param; nothing is coerced."""
    payload = parse_body(body)
    check_stateless(payload)
    check_payload(payload)
    parts = content_parts(payload)
    chat, obstacle = translate(payload)
    return ModelRequest(
        payload=payload,
        model=payload.get("model") or DEFAULT_MODEL,
        dialect="responses",
        stream=payload.get("stream", False),
        needs=read_needs(payload, parts),
        input_tokens=estimate_tokens(body, parts),
        max_tokens=payload.get("max_output_tokens"),
        end_user=end_user_of(payload),
        chat=chat,
        obstacle=obstacle,
        hints=frozenset({"reasoning_effort"} if chat and "reasoning_effort" in chat else ()),
        left_out=left_out_of(payload),
    )


def check_stateless(payload: Document) -> None:
    """Raises BadRequest for what refers to an earlier request, or leaves the answer to a later one."""
    for name, instead in STATEFUL.items():
        if name in payload and payload[name] is not False:
            raise bad(
                f"`{name}` is not served here: this gateway keeps no responses. {instead}",
                "not_supported",
                name,
            )


def check_payload(payload: Document) -> None:
    """Types and ranges, and items that cannot be relayed either. Raises BadRequest."""
    for name, kind in FIELDS.items():
        optional(payload, name, kind)
    for name, rule in NUMBERS.items():
        if name in payload:
            check_range(name, payload[name], rule)
    if len(payload.get("tools", [])) > MAX_TOOLS:
        raise bad(f"`tools` must be a list of at most {MAX_TOOLS} tools.", "invalid_type", "tools")
    if not isinstance(payload.get("tool_choice", ""), str | dict):
        raise bad("`tool_choice` must be a string or an object.", "invalid_type", "tool_choice")
    optional(payload.get("reasoning", {}), "effort", str, "reasoning")
    text_format = optional(payload.get("text", {}), "format", dict, "text")
    if text_format is not None:
        required(text_format, "type", str, "text.format")
    check_input(payload)


def check_input(payload: Document) -> None:
    """A string, or a list of items that hold what they mean. Raises BadRequest."""
    if "input" not in payload:
        raise bad("`input` is missing: send a string or a list of items.", "missing_field", "input")
    if isinstance(payload["input"], str):
        return
    if not isinstance(payload["input"], list):
        raise bad("`input` must be a string or a list of items.", "invalid_type", "input")
    if not payload["input"]:
        raise bad("`input` is empty: send at least one item.", "invalid_value", "input")
    for place, item in objects(payload["input"], "input"):
        if kind_of(item, place) == "item_reference":
            raise bad(
                f"`{place}` refers to a stored item, and this gateway keeps none. Send the item itself; "
                "clients do so when `store` is false.",
                "not_supported",
                place,
            )


def content_parts(payload: Document) -> list[Document]:
    """Every content part of the messages and of the tools' outputs."""
    if isinstance(payload["input"], str):
        return []
    held = [item.get(name) for item in payload["input"] for name in ("content", "output")]
    return [part for parts in held if isinstance(parts, list) for part in parts if isinstance(part, dict)]


def read_needs(payload: Document, parts: list[Document]) -> frozenset[str]:
    """What a deployment must be capable of to answer this."""
    kinds = [part.get("type") for part in parts]
    wanted = {
        "tools": bool(payload.get("tools")),
        "vision": "input_image" in kinds,
        IMAGE_URLS: any(is_remote(part.get("image_url")) for part in parts),
        "audio": "input_audio" in kinds,
        "json_schema": format_of(payload).get("type") == "json_schema",
    }
    return frozenset(need for need, needed in wanted.items() if needed)


def estimate_tokens(body: bytes, parts: list[Document]) -> int:
    """Input tokens by the formula of gateway.parse."""
    images = [part.get("image_url") for part in parts if part.get("type") == "input_image"]
    data = sum(len(url) for url in images if isinstance(url, str) and url.startswith("data:"))
    return max(1, (len(body) - data) // BYTES_PER_TOKEN) + len(images) * TOKENS_PER_IMAGE


def left_out_of(payload: Document) -> dict[str, str]:
    """What the chat does not say, for the log."""
    names = [name for name in payload if name not in SAID_IN_CHAT]
    names += [f"text.{name}" for name in payload.get("text", {}) if name != "format"]
    names += [f"reasoning.{name}" for name in payload.get("reasoning", {}) if name != "effort"]
    items = payload["input"] if isinstance(payload["input"], list) else []
    if any(item.get("type") == "reasoning" for item in items):
        names.append("input.reasoning")
    return dict.fromkeys(names, "")


def translate(payload: Document) -> tuple[Document | None, BadRequest | None]:
    """The request as a chat, or else what keeps it from being one. Raises BadRequest for what is wrong in itself."""
    try:
        return to_chat(payload), None
    except BadRequest as error:
        if error.code != NOT_CARRIED:
            raise
        return None, error


def to_chat(payload: Document) -> Document:
    """The same asked as a chat completion. Raises BadRequest."""
    if "moderation" in payload:
        raise not_carried("moderation", "Moderation by the upstream", "send the request without it")
    fields: Document = {
        "model": payload.get("model") or DEFAULT_MODEL,
        "messages": chat_messages(payload),
        "stream": payload.get("stream"),
        "temperature": payload.get("temperature"),
        "top_p": payload.get("top_p"),
        "max_tokens": payload.get("max_output_tokens"),
        "user": payload.get("user") or payload.get("safety_identifier"),
        "reasoning_effort": payload.get("reasoning", {}).get("effort"),
        "response_format": response_format(payload),
        **chat_tools(payload),
    }
    return {name: value for name, value in fields.items() if value is not None}


def format_of(payload: Document) -> Document:
    """`text.format`, empty when the client did not ask for one."""
    asked: Any = payload.get("text", {}).get("format")
    return asked or {}


def response_format(payload: Document) -> Document | None:
    """`text.format` nested as a chat has it; None for plain text. Raises BadRequest."""
    asked, place = format_of(payload), "text.format"
    match asked.get("type", "text"):
        case "text":
            return None
        case "json_object":
            return {"type": "json_object"}
        case "json_schema":
            schema = {
                "name": required(asked, "name", str, place),
                "schema": required(asked, "schema", dict, place),
                "strict": optional(asked, "strict", bool, place),
                "description": optional(asked, "description", str, place),
            }
            wanted = {name: value for name, value in schema.items() if value is not None}
            return {"type": "json_schema", "json_schema": wanted}
        case other:
            raise not_carried(f"{place}.type", f"The format `{other}`", 'ask for "json_schema" or "text"')
