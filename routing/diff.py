"""What differs between two documents, in lines an operator can read."""

from collections.abc import Iterator
from typing import Any

from routing.document import PARTS, SECTIONS, Document

NOUNS = {
    "tiers": "tier",
    "policies": "policy",
    "providers": "provider",
    "deployments": "deployment",
    "aliases": "alias",
}
Entry = dict[str, Any]


def differences(old: Document | None, new: Document) -> tuple[str, ...]:
    """One line for each entry that came or went, and for each field that changed."""
    return tuple(line for section in SECTIONS for line in _section(section, old or {}, new))


def _section(section: str, old: Document, new: Document) -> Iterator[str]:
    key, noun = SECTIONS[section], NOUNS[section]
    before = {entry[key]: entry for entry in old.get(section, [])}
    after = {entry[key]: entry for entry in new.get(section, [])}
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield f"{noun} {name}: added"
        elif name not in after:
            yield f"{noun} {name}: removed"
        else:
            yield from _changes(f"{noun} {name}", PARTS.get(section, ""), before[name], after[name])


def _changes(name: str, part: str, before: Entry, after: Entry) -> Iterator[str]:
    for field in after:
        if before.get(field) != after[field]:
            tell = _parts if field == part else _value
            yield f"{name}: {field.replace('_', ' ')}: {tell(before.get(field))} → {tell(after[field])}"


def _parts(items: list[Entry] | None) -> str:
    return ", ".join(_part(item) for item in items or []) or "none"


def _part(item: Entry) -> str:
    """A route, a step or a price, with what is not usual about it."""
    if "deployment" in item:
        return (
            item["deployment"]
            + (f" ×{item['weight']}" if item["weight"] != 1 else "")
            + ("" if item["enabled"] else " (off)")
        )
    if "tier" in item:
        return f"{item['tier']} ({item['strategy']})"
    prices = "/".join(_value(item[name]) for name in ("input", "cached_input", "output"))
    return f"{prices} from {item['starts'][:10]}"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value in (None, "", {}) else str(value)
