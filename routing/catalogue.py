"""Catalogue rows → document, and back: with `compile.py`, the only translator.

Rows are named by their natural keys, so a document means the same in every database. `tables.py` says which
columns are published; `compile.py` turns a document into the snapshot that workers serve.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models, transaction

from routing.document import CatalogueError, Document, check_document, document_sha256
from routing.engine.snapshot import SCHEMA
from routing.models import Tier
from routing.tables import NATURAL_KEYS, TABLES, Part, Table, column

__all__ = ["document_sha256", "plain", "read_document", "read_entry", "restore_rows"]

Known = dict[type[models.Model], dict[Any, models.Model]]


def read_document() -> Document:
    """The catalogue as it stands in the tables; equal tables give equal documents."""
    document: Document = {"schema": SCHEMA}
    for table in TABLES:
        document[table.section] = [_entry(table, row) for row in _rows(table)]
    return document


def read_entry(row: models.Model) -> dict[str, Any]:
    """One row as its entry in the document."""
    return _entry(next(table for table in TABLES if table.model is type(row)), row)


def restore_rows(document: Document) -> None:
    """Make the tables say what the document says: update by natural key, create, delete. All or nothing.

    Raises CatalogueError when the document holds what the tables cannot.
    """
    check_document(document)
    with transaction.atomic():
        known: Known = {table.model: {_key(row): row for row in _rows(table)} for table in TABLES}
        for table in TABLES:
            for entry in document[table.section]:
                _write_entry(table, entry, known)
            _write_late(table, document[table.section], known)
        for table in reversed(TABLES):
            _delete_others(known[table.model], {entry[table.key] for entry in document[table.section]})


def _rows(table: Table) -> Iterable[models.Model]:
    order = ("rank", "slug") if table.model is Tier else (table.key,)
    rows = table.model._default_manager.order_by(*order)
    foreign = [name for name in table.fields if _is_foreign(table.model, name)]
    rows = rows.select_related(*foreign) if foreign else rows
    if table.part is None:
        return rows
    return rows.prefetch_related(models.Prefetch(table.part.name, _part_rows(table.part)))


def _part_rows(part: Part) -> models.QuerySet[models.Model]:
    order = ("position", part.key) if "position" in part.fields else (part.key,)
    rows = part.model._default_manager.order_by(*order)
    return rows.select_related(part.key) if _is_foreign(part.model, part.key) else rows


def _entry(table: Table, row: models.Model) -> dict[str, Any]:
    entry = {name: plain(getattr(row, name)) for name in table.fields}
    if part := table.part:
        entry[part.name] = [
            {name: plain(getattr(child, name)) for name in part.fields} for child in _children(part, row)
        ]
    return entry


def _children(part: Part, row: models.Model) -> list[models.Model]:
    return list(getattr(row, part.name).all()) if row.pk else []


def plain(value: Any) -> Any:
    """A column's value as JSON holds it: rows by natural key, money as decimal text, moments as UTC text."""
    if isinstance(value, models.Model):
        return _key(value)
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value


def _write_entry(table: Table, entry: dict[str, Any], known: Known) -> None:
    name = f"{table.noun} {entry.get(table.key)!r}"
    rows = known[table.model]
    row = rows.get(entry.get(table.key)) or table.model()
    fields = tuple(field for field in table.fields if field not in table.late)
    _write_row(row, entry, fields, known, name)
    rows[entry[table.key]] = row
    if table.part:
        _write_part(table.part, row, entry, known, name)


def _write_part(part: Part, parent: models.Model, entry: dict[str, Any], known: Known, name: str) -> None:
    """Give the parent exactly the entry's steps, prices or routes."""
    existing = {plain(getattr(child, part.key)): child for child in _children(part, parent)}
    wanted = {
        plain(_value(part.model, part.key, item.get(part.key), known, name)): item
        for item in entry[part.name]
    }
    if len(wanted) < len(entry[part.name]):
        raise CatalogueError(f"{name} names the same {part.key} twice.")
    _delete_others(existing, set(wanted))
    for key, item in wanted.items():
        child = existing.get(key) or part.model(**{part.parent: parent})
        _write_row(child, item, part.fields, known, f"{name}, {part.name}")


def _write_late(table: Table, entries: list[dict[str, Any]], known: Known) -> None:
    for entry in entries if table.late else ():
        row = known[table.model][entry[table.key]]
        _write_row(row, entry, table.late, known, f"{table.noun} {entry[table.key]!r}")


def _write_row(
    row: models.Model, entry: dict[str, Any], fields: tuple[str, ...], known: Known, name: str
) -> None:
    """Save the row when the entry changes it, after the checks that a form would make."""
    values = {field: _value(type(row), field, entry.get(field), known, name) for field in fields}
    if row.pk and all(getattr(row, field) == value for field, value in values.items()):
        return
    for field, value in values.items():
        setattr(row, field, value)
    try:
        row.clean_fields(exclude=[field.name for field in row._meta.fields if field.is_relation])
        row.clean()
    except ValidationError as error:
        raise CatalogueError(f"{name}: {_sentence(error)}") from None
    row.save()


def _value(model: type[models.Model], field_name: str, raw: Any, known: Known, name: str) -> Any:
    """What the column holds for this piece of JSON; the opposite of `plain`."""
    field = column(model, field_name)
    if field.is_relation:
        return _referred(field.related_model, raw, known, name, field.null)
    try:
        return field.to_python(raw)
    except ValidationError as error:
        raise CatalogueError(f"{name}: {field_name}: {' '.join(error.messages)}") from None


def _referred(model: Any, key: Any, known: Known, name: str, optional: bool) -> models.Model | None:
    if key is None and optional:
        return None
    row = known[model].get(key) if isinstance(key, str) else None
    if row is None or row.pk is None:
        raise CatalogueError(f"{name} names the {model._meta.verbose_name} {key!r}, which does not exist.")
    return row


def _delete_others(rows: dict[Any, models.Model], wanted: set[Any]) -> None:
    for key, row in rows.items():
        if key not in wanted and row.pk:
            row.delete()


def _key(row: models.Model) -> Any:
    return getattr(row, NATURAL_KEYS[type(row)])


def _is_foreign(model: type[models.Model], name: str) -> bool:
    return bool(column(model, name).is_relation)


def _sentence(error: ValidationError) -> str:
    if not hasattr(error, "message_dict"):
        return " ".join(error.messages)
    return " ".join(f"{field}: {' '.join(texts)}" for field, texts in error.message_dict.items())
