"""What every dialect's body has in common: bytes → JSON that is safe to plan and to send on.

Unknown fields are kept at every level and travel to the upstream. Tokens are estimated as one for every four bytes of
the JSON body, image data left out, plus 1,000 for each image: coarse, cheap, and the same for every provider.
"""

import json
import re
from typing import Any, NamedTuple

import orjson

from gateway.errors import BadRequest

DEFAULT_MODEL = "rainymodel/auto"
MAX_DEPTH = 64
MAX_FIELDS, SHORTEST_FIELD = 10_000, 5  # of one object; and its bytes, as in `"":1,`
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
ESCAPED_COLON = re.compile(rb"\\u003[aA]")


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


def is_remote(url: object) -> bool:
    """Whether an image is named by an address that somebody would have to fetch."""
    return isinstance(url, str) and not url[:5].lower().startswith("data:")


def parse_body(body: bytes) -> dict[str, Any]:
    """The JSON object of a request, without explicit nulls and with nothing in it that steers where it goes.

    Raises BadRequest.
    """
    payload = parse_json(body)
    refuse_duplicates(body, payload)
    for name in NOT_FROM_A_BODY:
        if name in payload:
            raise bad(
                f"`{name}` cannot be set by a request; the operator's catalogue decides it.",
                "not_allowed",
                name,
            )
    without_nulls(payload)
    return payload


def parse_json(body: bytes) -> dict[str, Any]:
    """A JSON object no deeper than MAX_DEPTH, no object in it larger than MAX_FIELDS.

    Raises BadRequest, with line and column when it is no JSON.
    """
    if not body.strip():
        raise bad("The request body is empty. Send a JSON object.", "invalid_json")
    try:
        payload = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise bad(f"The request body is not valid JSON in UTF-8 ({where}).", "invalid_json") from None
    if not isinstance(payload, dict):
        raise bad("The request body must be a JSON object.", "invalid_type")
    if len(body) > MAX_FIELDS * SHORTEST_FIELD and wider_than(payload, MAX_FIELDS):
        raise bad(
            f"An object of the request body has more than {MAX_FIELDS} fields. Send fewer.", "invalid_json"
        )
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and deeper_than(payload, MAX_DEPTH):
        raise bad(f"The request body is nested deeper than {MAX_DEPTH} levels.", "invalid_json")
    return payload


def refuse_duplicates(body: bytes, payload: dict[str, Any]) -> None:
    """Raises BadRequest when a field stands twice in the body: which of the two counts, no two readers agree on.

    Most bodies are what their reading would be written as. Of the others, one that lost a colon (each field has
    one) or has some in disguise is read again, slowly and exactly.
    """
    written = orjson.dumps(payload)
    if written == body:
        return
    hidden = b"\\" in body and ESCAPED_COLON.search(body)
    if body.count(b":") == written.count(b":") and not hidden:
        return
    names: set[str] = set()
    for name, _ in json.loads(body, object_pairs_hook=tuple, parse_int=str):
        if name in names:
            said = f"`{name[:60]}` stands twice in the request body. Send it once."
            raise bad(said, "duplicate_key", name[:60])
        names.add(name)


def wider_than(value: object, limit: int) -> bool:
    """Whether an object, or one that it or its lists hold directly, has more than `limit` fields."""
    if not isinstance(value, dict) or len(value) > limit:
        return isinstance(value, dict)
    held = [item for field in value.values() for item in (field if isinstance(field, list) else (field,))]
    return any(isinstance(item, dict) and len(item) > limit for item in held)


def deeper_than(value: object, limit: int) -> bool:
    """Whether containers nest deeper than `limit`; walks level by level, so no recursion."""
    level: list[object] = [value]
    for _ in range(limit):
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


def end_user_of(payload: dict[str, Any]) -> str:
    """The end user behind the caller: `user`, else `safety_identifier`, else `metadata.user_id`."""
    metadata = payload.get("metadata")
    from_metadata = metadata.get("user_id") if isinstance(metadata, dict) else None
    user = payload.get("user") or payload.get("safety_identifier") or from_metadata
    return user if isinstance(user, str) else ""


def bad(message: str, code: str, param: str | None = None) -> BadRequest:
    """A 400 with its code and the field it concerns."""
    return BadRequest(message, code=code, param=param)
