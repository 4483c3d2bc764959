"""What differs between two documents: a value for each change, and the same in lines an operator can read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from routing.document import PARTS, SECTIONS, Document

NOUNS = {
    "tiers": "tier",
    "policies": "policy",
    "providers": "provider",
    "deployments": "deployment",
    "aliases": "alias",
}
PART_KEYS = {"steps": "tier", "prices": "starts", "routes": "deployment"}
ADDED, REMOVED, CHANGED, MOVED = "added", "removed", "changed", "moved"
Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PartChange:
    """One step, price or route that came, went, moved to another place or changed; both sides in words."""

    kind: str
    name: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that says something else, in words. `parts` tell a list of steps, prices or routes apart."""

    field: str
    before: str
    after: str
    parts: tuple[PartChange, ...] = ()

    @property
    def is_rearranged(self) -> bool:
        """Whether parts came, went or moved, so that the whole list is worth reading."""
        return any(part.kind != CHANGED for part in self.parts)

    @property
    def label(self) -> str:
        """The field's name as a page shows it."""
        return self.field.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Change:
    """One tier, policy, provider, deployment or alias that was added, removed or changed."""

    section: str
    name: str
    kind: str
    fields: tuple[FieldChange, ...] = ()

    @property
    def noun(self) -> str:
        """What kind of thing it is."""
        return NOUNS[self.section]

    @property
    def subject(self) -> str:
        """The thing as findings name it."""
        return f"{self.noun} {self.name}"

    @property
    def lines(self) -> tuple[str, ...]:
        """One line when it came or went, else one for each field."""
        if self.kind != CHANGED:
            return (f"{self.subject}: {self.kind}",)
        return tuple(
            f"{self.subject}: {field.label}: {field.before} → {field.after}" for field in self.fields
        )


def compare(old: Document | None, new: Document) -> tuple[Change, ...]:
    """Every change that makes `old` into `new`, by section and name."""
    return tuple(change for section in SECTIONS for change in _section(section, old or {}, new))


def differences(old: Document | None, new: Document) -> tuple[str, ...]:
    """One line for each entry that came or went, and for each field that changed."""
    return tuple(line for change in compare(old, new) for line in change.lines)


def compare_entries(section: str, name: str, before: Entry | None, after: Entry | None) -> Change | None:
    """What happened to one thing between two documents; None when nothing did, or when it is in neither."""
    if before is None and after is None:
        return None
    if after is None:
        return Change(section, name, REMOVED)
    fields = tuple(_fields(PARTS.get(section, ""), before or {}, after, fresh=before is None))
    if before is None:
        return Change(section, name, ADDED, fields)
    return Change(section, name, CHANGED, fields) if fields else None


def _section(section: str, old: Document, new: Document) -> Iterator[Change]:
    key = SECTIONS[section]
    before = {entry[key]: entry for entry in old.get(section, [])}
    after = {entry[key]: entry for entry in new.get(section, [])}
    for name in sorted(before.keys() | after.keys()):
        if change := compare_entries(section, name, before.get(name), after.get(name)):
            yield change


def _fields(part: str, before: Entry, after: Entry, *, fresh: bool) -> Iterator[FieldChange]:
    for field in sorted(after, key=lambda field: (field == part, field)):
        old, new = before.get(field), after[field]
        if old == new or (fresh and _value(new) == "none"):
            continue
        if field == part:
            yield FieldChange(field, _parts(old), _parts(new), tuple(_moves(field, old or [], new)))
        else:
            yield FieldChange(field, "" if fresh else _value(old), _value(new))


def _moves(field: str, old: list[Entry], new: list[Entry]) -> Iterator[PartChange]:
    """What went, came or changed, and what stands at another place among those that stayed."""
    key = PART_KEYS[field]
    before = {item[key]: item for item in old}
    after = {item[key]: item for item in new}
    stayed = [name for name in before if name in after]
    shifted = _shifted(stayed, [name for name in after if name in before])
    places = {name: place for place, name in enumerate(after, start=1)}
    for name, item in before.items():
        if name not in after:
            yield PartChange(REMOVED, _part(item))
    for name, item in after.items():
        yield from _part_change(before.get(name), item, places[name], is_price=field == "prices")
        if name in shifted:
            place = list(before).index(name) + 1
            yield PartChange(MOVED, _short(item), f"place {place}", f"place {places[name]}")


def _part_change(before: Entry | None, item: Entry, place: int, *, is_price: bool) -> Iterator[PartChange]:
    if before is None:
        yield PartChange(ADDED, _part(item), "", "" if is_price else f"at place {place}")
    elif _part(before) != _part(item) or (is_price and before != item):
        yield PartChange(CHANGED, _short(item), _setting(before), _setting(item))


def _shifted(old: list[str], new: list[str]) -> set[str]:
    """What must be taken up and put down elsewhere: all but a longest run that keeps its order."""
    longest: dict[int, list[str]] = {}
    rank = {name: place for place, name in enumerate(old)}
    for name in new:
        runs = [run for run in longest.values() if rank[run[-1]] < rank[name]]
        longest[rank[name]] = [*(max(runs, key=len) if runs else ()), name]
    runs = list(longest.values())[::-1]
    return set(new) - set(max(runs, key=len) if runs else ())


def _parts(items: list[Entry] | None) -> str:
    return ", ".join(_part(item) for item in items or []) or "none"


def _short(item: Entry) -> str:
    """What names a route, a step or a price on its page."""
    if "starts" in item:
        return f"price from {item['starts'][:10]}"
    return str(item.get("deployment") or item.get("tier"))


def _setting(item: Entry) -> str:
    """What may be changed of a part that keeps its name."""
    if "deployment" in item:
        weight = f", weight {item['weight']}" if item["weight"] != 1 else ""
        return ("on" if item["enabled"] else "off") + weight
    return str(item["strategy"]) if "tier" in item else _part(item)


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
        return ", ".join(_value(item) for item in value) or "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, dict) and value:
        return ", ".join(f"{key}: {'dropped' if value[key] is None else value[key]}" for key in sorted(value))
    return "none" if value in (None, "", {}) else str(value)
