"""The draft as a whole: what differs from what serves, throwing it away, and filling it from a file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import DatabaseError, transaction

from routing.catalogue import read_document, restore_rows
from routing.catalogue_text import FileRefused, dump_text, line_of_thing, read_text, with_line
from routing.diff import Change, compare
from routing.document import SECTIONS, CatalogueError, Document, document_sha256
from routing.engine.validate import Finding
from routing.events import rehearsal, tell
from routing.models import CatalogueRevision, PublishingSwitch, ScheduledPublication
from routing.provider_secrets import surroundings_here
from routing.publish import DraftMoved, UnknownRevision, check, newest_revision, publishing_lock
from routing.tables import TABLES

DRAFT = "draft"
NOT_A_VALUE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, DatabaseError)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file would make of the draft, and what is wrong with that."""

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]


def draft_mark() -> str:
    """The fingerprint of the draft as it is now."""
    return document_sha256(read_document())


def discard(author: str, seen: str) -> None:
    """Make the tables say again what serves. `seen` is the mark of the draft that was looked at.

    Raises DraftMoved, UnknownRevision where nothing serves, or CatalogueError.
    """
    with publishing_lock():
        newest, draft = newest_revision(), read_document()
        if newest is None:
            raise UnknownRevision(1)
        if document_sha256(draft) != seen:
            raise DraftMoved
        lost = [line for change in compare(newest.document, draft) for line in change.lines]
        restore_rows(newest.document)
        tell("discarded", "the draft", author, serving=newest.number, lost=lost)


def export_text(which: str) -> str:
    """A revision, by its number, or the draft, as a text file. Raises UnknownRevision."""
    if which == DRAFT:
        return dump_text(read_document(), "RainyModel catalogue, draft")
    number = int(which) if which.isdecimal() and len(which) < 10 else 0
    revision = CatalogueRevision.objects.filter(number=number).first()
    if revision is None:
        raise UnknownRevision(number)
    return dump_text(revision.document, f"RainyModel catalogue, revision {number}")


def preview_import(text: str) -> Preview:
    """What importing the text would change in the draft; nothing is kept. Raises FileRefused."""
    document = read_text(text)
    before = read_document()
    with publishing_lock(), undone():
        _restore(text, document)
        after = read_document()
    newest = newest_revision()
    number = newest.number if newest else 0
    return Preview(compare(before, after), check(after, number + 1, surroundings_here()))


def import_text(text: str, author: str, source: str, seen: str | None = None) -> tuple[Change, ...]:
    """Make the draft what the text says, and hold publishing, so that no save publishes it unseen.

    `seen` is the mark of the draft that a preview was based on. Returns what changed. Raises FileRefused or DraftMoved.
    """
    document = read_text(text)
    with publishing_lock():
        before = read_document()
        if seen is not None and document_sha256(before) != seen:
            raise DraftMoved
        _restore(text, document)
        changes = compare(before, read_document())
        if changes:
            hold()
            tell("imported", source, author, changes=[line for change in changes for line in change.lines])
        return changes


def hold(held: bool = True) -> bool:
    """Hold publishing or let saves publish again, whatever was scheduled; whether that is another state than before."""
    ScheduledPublication.objects.filter(state=ScheduledPublication.WAITING).update(began_hold=False)
    switch = PublishingSwitch.load()
    if switch.held == held:
        return False
    switch.held = held
    switch.save(update_fields=["held"])
    return True


@contextmanager
def undone() -> Iterator[None]:
    """A block whose writes are taken back at its end, and are in no audit: its lock would keep all others waiting."""
    with rehearsal(), transaction.atomic():
        yield
        transaction.set_rollback(True)


def _restore(text: str, document: Document) -> None:
    """Write the rows, and refuse a file whose values are not stored as they stand there."""
    try:
        with transaction.atomic():
            restore_rows(document)
    except CatalogueError as error:
        raise with_line(text, error) from None
    except NOT_A_VALUE as error:
        raise FileRefused(f"A value cannot be stored ({type(error).__name__}).") from None
    _check_lossless(text, document, read_document())


def _check_lossless(text: str, wanted: Document, stored: Document) -> None:
    for table in TABLES:
        key = SECTIONS[table.section]
        known = {entry[key]: entry for entry in stored[table.section]}
        for entry in wanted[table.section]:
            kept, part_key = known[entry[key]], table.part.key if table.part else ""
            for field, value in entry.items():
                if not _same(value, kept[field], part_key):
                    line = line_of_thing(text, table, entry[key])
                    message = f"{table.noun} {entry[key]!r}: {field} is no value as it is stored;"
                    raise FileRefused(f"{message} it would become {json.dumps(kept[field])[:200]}.", line)


def _same(one: object, other: object, part_key: str = "") -> bool:
    """Equal in value and in kind: 1 is not true, but 1 and 1.0 are one number. Parts may come in any order."""
    if isinstance(one, list) and isinstance(other, list):
        if all(isinstance(item, dict) and part_key in item for item in (*one, *other)):
            one, other = (sorted(items, key=lambda item: str(item[part_key])) for items in (one, other))
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return one == other and isinstance(one, bool) == isinstance(other, bool)
