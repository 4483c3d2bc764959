"""Reading a client's JSON with the place of every value, so that an error can name it."""

from typing import Any

from gateway.errors import BadRequest
from gateway.parse import bad

NOT_CARRIED = "not_supported_by_upstream"
KINDS: dict[type, str] = {
    str: "a string",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}

Document = dict[str, Any]


def required(holder: Document, name: str, kind: type, place: str) -> Any:
    """The value of a field that must be there. `place` is the holder's. Raises BadRequest."""
    value = optional(holder, name, kind, place)
    if value is None:
        raise bad(
            f"`{place}.{name}` is missing; it must be {KINDS[kind]}.", "missing_field", f"{place}.{name}"
        )
    return value


def optional(holder: Document, name: str, kind: type, place: str = "") -> Any:
    """The value of a field, None when it is absent or null. Raises BadRequest for another type."""
    value = holder.get(name)
    if value is None or isinstance(value, kind):
        return value
    full = f"{place}.{name}" if place else name
    raise bad(f"`{full}` must be {KINDS[kind]}.", "invalid_type", full)


def objects(values: list[Any], place: str) -> list[tuple[str, Document]]:
    """The objects of a list, each with its place. Raises BadRequest for anything else in it."""
    for count, value in enumerate(values):
        if not isinstance(value, dict):
            raise bad(f"`{place}[{count}]` must be an object.", "invalid_type", f"{place}[{count}]")
    return [(f"{place}[{count}]", value) for count, value in enumerate(values)]


def one_of(value: str, legal: tuple[str, ...], place: str) -> None:
    """Raises BadRequest unless the value is one of these."""
    if value not in legal:
        raise bad(f"`{place}` must be one of: {', '.join(legal)}.", "invalid_value", place)


def not_carried(place: str, what: str, instead: str) -> BadRequest:
    """The 400 for what only an upstream that speaks the Responses API itself can serve."""
    return bad(
        f"{what} (`{place}`) needs an upstream that serves the Responses API itself, and this model has none. "
        f"Choose another model, or {instead}.",
        NOT_CARRIED,
        place,
    )
