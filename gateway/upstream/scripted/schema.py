"""A value that fits a simple JSON schema: what the scripted upstream answers when one is asked for.

The schema comes from a client, so nothing in it is trusted: depth, sizes and types are all checked.
"""

from typing import Any

MAX_DEPTH = 10
MAX_ITEMS = 20
MAX_TEXT = 1000
TEXT_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "rain@example.org",
    "uri": "https://example.org/",
    "uuid": "0198c0de-0000-7000-8000-000000000000",
}

Schema = dict[str, Any]


def sample(schema: Any, definitions: Schema | None = None, depth: int = 0) -> Any:
    """A valid value for objects, arrays, scalars, enums, `$defs` and alternatives; None if it cannot tell."""
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return None
    definitions = definitions or _object(schema, "$defs") or _object(schema, "definitions")
    if "$ref" in schema:
        return sample(definitions.get(str(schema["$ref"]).rpartition("/")[2]), definitions, depth + 1)
    if "const" in schema:
        return schema["const"]
    for choices in ("enum", "examples"):
        if items := _list(schema, choices):
            return items[0]
    for alternatives in ("anyOf", "oneOf", "allOf"):
        if items := _list(schema, alternatives):
            return sample(items[0], definitions, depth + 1)
    return _sample_of_type(schema, definitions, depth)


def _sample_of_type(schema: Schema, definitions: Schema, depth: int) -> Any:
    kind = _type_of(schema)
    if kind == "object":
        properties = _object(schema, "properties")
        return {name: sample(part, definitions, depth + 1) for name, part in properties.items()}
    if kind == "array":
        items = min(max(1, _count(schema, "minItems", 1)), MAX_ITEMS)
        return [sample(schema.get("items"), definitions, depth + 1) for _ in range(items)]
    if kind in ("integer", "number"):
        return _number(schema)
    if kind == "string":
        return _text(schema)
    return True if kind == "boolean" else None


def _type_of(schema: Schema) -> str:
    named = schema.get("type", "object" if "properties" in schema else "string")
    return str(named[0] if isinstance(named, list) and named else named)


def _text(schema: Schema) -> str:
    text = TEXT_FORMATS.get(str(schema.get("format")), "rain")
    text = text.ljust(min(_count(schema, "minLength", 0), MAX_TEXT), "-")
    return text[: _count(schema, "maxLength", len(text))]


def _number(schema: Schema) -> int:
    least = _count(schema, "minimum", _count(schema, "exclusiveMinimum", 0) + 1)
    return min(least, _count(schema, "maximum", least))


def _count(schema: Schema, name: str, otherwise: int) -> int:
    value = schema.get(name)
    return value if isinstance(value, int) else otherwise


def _object(schema: Schema, name: str) -> Schema:
    value = schema.get(name)
    return value if isinstance(value, dict) else {}


def _list(schema: Schema, name: str) -> list[Any]:
    value = schema.get(name)
    return value if isinstance(value, list) else []
