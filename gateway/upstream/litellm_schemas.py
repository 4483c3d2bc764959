"""How much work it is for litellm to write out the references in a request's JSON schemas.

litellm replaces each `$ref` by a copy of what it names, and goes on inside the copy. A few definitions that name each
other twice make millions of copies that way, so it is counted here first, up to a limit, what litellm would do.
"""

from collections.abc import Iterator
from typing import Any

from gateway.errors import AttemptFailed
from routing.engine.outcome import Fault, Outcome

MOST_COPIED = 10_000  # JSON values in all copies of one request
LONGEST_CHAIN = 64  # definitions that name one another, each inside the one before
NAMES_PER_VALUE = 64  # looking so many definitions up costs litellm as much as one copied value
DEFINITIONS = ("$defs", "definitions", "schemas")  # OpenAPI's stand under components.schemas
MARKS = (b'"$ref"', b'"$defs"', b'"definitions"')
HOLDS_SCHEMAS = ("parameters", "schema", "response_schema")
CANNOT = Outcome(Fault.CAPABILITY, "capability")

# A value that litellm will see, and the names that led to it.
Visit = tuple[Any, tuple[str, ...]]


def refuse_huge_schemas(fields: dict[str, Any], raw: bytes) -> None:
    """Raises AttemptFailed (capability) when the schemas in `fields` are too large with their references written out.

    `raw` is the JSON of the fields; without a mark of references in it there is nothing to count.
    """
    if not any(mark in raw for mark in MARKS):
        return
    left = MOST_COPIED
    for schema in schemas_in(fields):
        left -= expansion_cost(schema, left)
        if left < 0:
            raise AttemptFailed(CANNOT)


def schemas_in(fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schemas of tools and of the answer's format."""
    tools = fields.get("tools")
    holders = [*tools] if isinstance(tools, list) else []
    holders += [tool.get("function") for tool in holders if isinstance(tool, dict)]
    if isinstance(form := fields.get("response_format"), dict):
        holders += [form, form.get("json_schema")]
    for holder in holders:
        if isinstance(holder, dict):
            yield from (holder[name] for name in HOLDS_SCHEMAS if isinstance(holder.get(name), dict))


def expansion_cost(schema: dict[str, Any], limit: int) -> int:
    """The JSON values that litellm copies for this schema; counting ends a little above `limit`.

    A definition that names itself is written out once inside itself, as litellm does it, if all stand in the schema's
    own `$defs`. Others litellm changes while it copies them, so that there is no end to count to.
    """
    definitions = definitions_in(schema)
    own = schema.get("$defs")
    only_own = sum(map(len, definitions.values())) == (len(own) if isinstance(own, dict) else 0)
    lookups = len(definitions) // NAMES_PER_VALUE
    waiting: list[Visit] = [(schema, ())]
    cost = 0
    while waiting and cost <= limit:
        value, chain = waiting.pop()
        cost += 1 if chain else 0
        if isinstance(value, list):
            waiting += [(item, chain) for item in value]
        elif isinstance(value, dict):
            cost += lookups
            name = name_of_reference(value)
            if name is None:
                waiting += [(item, chain) for item in value.values()]
            elif name in chain:
                cost += 0 if only_own else limit
            else:
                waiting += [(target, (*chain, name)) for target in definitions.get(name, ())]
                cost += limit if len(chain) >= LONGEST_CHAIN else 0
    return cost


def name_of_reference(value: dict[str, Any]) -> str | None:
    """The last part of a `$ref`, which is all that litellm goes by."""
    reference = value.get("$ref")
    return reference.rpartition("/")[2] if isinstance(reference, str) else None


def definitions_in(schema: dict[str, Any]) -> dict[str, list[Any]]:
    """Every definition by its name, wherever it stands: which of several counts depends on the provider."""
    found: dict[str, list[Any]] = {}
    waiting: list[Any] = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            waiting += value.values()
            for group in (value.get(name) for name in DEFINITIONS):
                for name, definition in group.items() if isinstance(group, dict) else ():
                    found.setdefault(name, []).append(definition)
    return found
