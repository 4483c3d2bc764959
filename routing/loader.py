"""Loading rows from a seed file or an importer into the tables, without undoing what operators did.

A row that is there already stays as it is, and one that was loaded once and deleted since stays deleted, unless
overwriting is asked for. Entries are keyed by natural key and name only what differs from the defaults:

    tiers:       {free: {name: Free, billing: free, rank: 1}}
    policies:    {auto: {steps: [free, {tier: direct, strategy: cheapest}]}}
    providers:   {hf: {upstream: hf, base_url: "https://…/v1", credential_variable: HF_TOKEN}}
    deployments: {hf/qwen: {provider: hf, model: qwen, tier: free, prices: [{starts: 2026-01-01, input: 0}]}}
    aliases:     {rainymodel/auto: {routes: [hf/qwen, {deployment: other, weight: 2}]}}
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models

from routing.catalogue import plain, read_document, restore_rows
from routing.document import SECTIONS, CatalogueError, Document
from routing.models import SeededRow
from routing.publish import publishing_lock
from routing.tables import TABLES, Table, column


class LoadError(CatalogueError):
    """Data that cannot be loaded; nothing was changed. The message names the entry."""


@dataclass(slots=True)
class LoadReport:
    """What loading came to, as `section key` names; `left_out` says why in its values."""

    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """True when the tables are not what they were."""
        return bool(self.created or self.updated)

    def sentence(self) -> str:
        """The whole in one sentence."""
        counts = (
            f"{len(self.created)} rows created",
            f"{len(self.updated)} updated" if self.updated else "",
            f"{len(self.kept)} were there already",
            f"{len(self.left_out)} left out because they were deleted here" if self.left_out else "",
        )
        return ", ".join(count for count in counts if count) + "."


def load_rows(data: Mapping[str, Any], *, overwrite: bool) -> LoadReport:
    """Bring the data's rows into the tables, all or nothing; raises LoadError naming what is wrong."""
    entries = {table.section: _complete_section(table, data) for table in TABLES}
    _check_sections(data)
    report = LoadReport()
    with publishing_lock():
        document = read_document()
        for table in TABLES:
            _merge(table, document, entries, report, overwrite=overwrite)
        if report.changed:
            _restore(document)
        _remember(entries, document)
    return report


def _check_sections(data: Mapping[str, Any]) -> None:
    unknown = sorted(set(data) - {table.section for table in TABLES})
    if unknown:
        raise LoadError(
            f"There is no section {unknown[0]!r}; there are {', '.join(table.section for table in TABLES)}."
        )


def _complete_section(table: Table, data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    section = data.get(table.section) or {}
    if not isinstance(section, Mapping):
        raise LoadError(f"The section {table.section} must name its entries.")
    return {str(key): _complete(table, str(key), given) for key, given in section.items()}


def _complete(table: Table, key: str, given: Any) -> dict[str, Any]:
    """The entry as a document holds it: what is not given has the column's default."""
    name = f"{table.noun} {key!r}"
    if not isinstance(given, Mapping):
        raise LoadError(f"{name} must be a list of fields and values.")
    part_name = table.part.name if table.part else ""
    own = {field_name: value for field_name, value in given.items() if field_name != part_name}
    entry = _fields(table.model, table.fields, {**own, table.key: key}, name)
    if table.part:
        items = given.get(part_name) or []
        if not isinstance(items, list):
            raise LoadError(f"{name} must have a list of {part_name}.")
        entry[part_name] = [
            _fields(
                table.part.model,
                table.part.fields,
                _part_item(item, table.part.key, position),
                f"{name}, {part_name}",
            )
            for position, item in enumerate(items)
        ]
    return entry


def _part_item(item: Any, key: str, position: int) -> dict[str, Any]:
    """A step or route may be given by its key alone; its place in the list is its position."""
    given = dict(item) if isinstance(item, Mapping) else {key: item}
    return given if key == "starts" else {"position": position, **given}


def _fields(
    model: type[models.Model], names: Iterable[str], given: Mapping[str, Any], name: str
) -> dict[str, Any]:
    unknown = sorted(set(given) - set(names))
    if unknown:
        raise LoadError(f"{name} has no field {unknown[0]!r}.")
    return {field_name: _field(model, field_name, given, name) for field_name in names}


def _field(model: type[models.Model], field_name: str, given: Mapping[str, Any], name: str) -> Any:
    found = column(model, field_name)
    if field_name not in given:
        return plain(found.get_default())
    if found.is_relation:
        return given[field_name]
    try:
        return plain(_utc(found.to_python(_utc(given[field_name]))))
    except ValidationError as error:
        raise LoadError(f"{name}: {field_name}: {' '.join(error.messages)}") from None


def _utc(value: Any) -> Any:
    """Dates and times without a zone are UTC."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    return value


def _merge(
    table: Table,
    document: Document,
    entries: Mapping[str, dict[str, dict[str, Any]]],
    report: LoadReport,
    *,
    overwrite: bool,
) -> None:
    present = {entry[table.key]: entry for entry in document[table.section]}
    deleted = set() if overwrite else _seeded(table) - set(present)
    for key, entry in entries[table.section].items():
        name = f"{table.noun} {key}"
        if key in deleted:
            report.left_out[name] = "it was deleted here"
        elif missing := _without_lost_references(table, entry, document, entries):
            report.left_out[name] = f"{missing} was deleted here"
        elif key not in present:
            document[table.section].append(entry)
            report.created.append(name)
        elif overwrite and present[key] != entry:
            present[key].update(entry)
            report.updated.append(name)
        else:
            report.kept.append(name)


def _without_lost_references(
    table: Table, entry: dict[str, Any], document: Document, entries: Mapping[str, dict[str, dict[str, Any]]]
) -> str:
    """Drop the routes and steps to rows that were deleted here; the name of a row it cannot do without."""

    def is_lost(section: str, key: Any) -> bool:
        return key in entries[section] and all(other[SECTIONS[section]] != key for other in document[section])

    if table.section == "deployments":
        for section, key in (("providers", entry["provider"]), ("tiers", entry["tier"])):
            if is_lost(section, key):
                return f"{section} {key}"
    if table.section == "policies":
        entry["steps"] = [step for step in entry["steps"] if not is_lost("tiers", step["tier"])]
    if table.section == "aliases" and is_lost("policies", entry["policy"]):
        entry["policy"] = None
    if table.section == "aliases" and entry["routes"]:
        first = entry["routes"][0]["deployment"]
        entry["routes"] = [
            route for route in entry["routes"] if not is_lost("deployments", route["deployment"])
        ]
        return "" if entry["routes"] else f"deployments {first}"
    return ""


def _seeded(table: Table) -> set[str]:
    return set(SeededRow.objects.filter(kind=table.noun).values_list("key", flat=True))


def _restore(document: Document) -> None:
    try:
        restore_rows(document)
    except CatalogueError as error:
        raise LoadError(str(error)) from None


def _remember(entries: Mapping[str, dict[str, dict[str, Any]]], document: Document) -> None:
    """Note every row of the data that the tables now have."""
    for table in TABLES:
        present = {entry[table.key] for entry in document[table.section]}
        rows = [SeededRow(kind=table.noun, key=key) for key in entries[table.section] if key in present]
        SeededRow.objects.bulk_create(rows, ignore_conflicts=True)
