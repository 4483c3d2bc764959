"""Publishing: the draft in the tables becomes a numbered revision that workers serve.

PublishError
├── PublishRefused     the draft has errors; nothing was published
├── CellsEmptied       nobody could answer some kinds of request any more, and no reason was given
├── StaleParent        somebody published since the draft was looked at
├── DraftMoved         somebody edited the draft since it was looked at
└── UnknownRevision    there is no revision of that number
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction

from routing.catalogue import read_document, restore_rows
from routing.compile import compile_snapshot
from routing.diff import compare
from routing.document import CatalogueError, Document, document_sha256
from routing.engine.reach import Cell
from routing.engine.validate import ERROR, WARNING, Finding, errors_of, validate
from routing.environment import Surroundings, address_warning
from routing.events import tell
from routing.gate import emptied_cells
from routing.models import CatalogueRevision, PublishingSwitch
from routing.provider_secrets import surroundings_here

LOCK = 7_262_001  # any number that nothing else in this database locks on
NOTE_LENGTH = 300
REASON_LENGTH = 150
CELLS_NAMED = 3  # of those that would be empty, in a message
PUBLISHED = "published"


class PublishError(Exception):
    """Nothing was published; the message is written for an operator."""


class PublishRefused(PublishError):
    """The draft has errors."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("Not published: " + in_words(errors_of(findings)))
        self.findings = findings


class CellsEmptied(PublishError):
    """Requests that somebody can answer now, nobody could after publishing; `cells` says which."""

    def __init__(self, cells: tuple[Cell, ...]) -> None:
        super().__init__(
            f"Not published: {cells_in_words(cells)} Correct the draft, or publish it with a reason"
            " (on the page Draft, or manage.py publish --reason)."
        )
        self.cells = cells


class StaleParent(PublishError):
    """The draft was looked at on top of one revision, and another is the newest now."""

    def __init__(self, based_on: int, newest: int) -> None:
        super().__init__(
            f"The catalogue changed: revision {newest} was published since you looked at {based_on}."
            " Review what differs now, then publish again."
        )
        self.based_on, self.newest = based_on, newest


class DraftMoved(PublishError):
    """The draft is not the one that the operator looked at."""

    def __init__(self) -> None:
        super().__init__("The draft was edited since you looked at it. Look at it again.")


class UnknownRevision(PublishError):
    """A roll back to a revision that does not exist."""

    def __init__(self, number: int) -> None:
        super().__init__(f"There is no revision {number}.")
        self.number = number


@dataclass(frozen=True, slots=True)
class Publication:
    """What serves now: its number, whether this call published it, the warnings, and the cells that it emptied."""

    number: int
    changed: bool
    warnings: tuple[Finding, ...] = ()
    emptied: tuple[Cell, ...] = ()


def publish(
    author: str,
    note: str = "",
    *,
    parent: int | None = None,
    seen: str | None = None,
    reason: str = "",
    deed: str = PUBLISHED,
    gated: bool = True,
) -> Publication:
    """Publish the draft under the next number, unless it equals the newest revision.

    `parent` is the revision the draft was looked at on top of, `seen` the sha256 of the draft that was looked at.
    `reason` says why cells may be emptied; without `gated` they may anyway. `deed` names it in the audit.
    Raises PublishRefused, CellsEmptied, StaleParent or DraftMoved.
    """
    with publishing_lock():
        newest = newest_revision()
        number = newest.number if newest else 0
        if parent is not None and parent != number:
            raise StaleParent(parent, number)
        document, here = read_document(), surroundings_here()
        sha256 = document_sha256(document)
        if seen is not None and seen != sha256:
            raise DraftMoved
        findings = check(document, number + 1, here)
        if errors_of(findings):
            raise PublishRefused(findings)
        warnings = tuple(finding for finding in findings if finding.level != ERROR)
        if newest and is_published(newest, document):
            return Publication(number, changed=False, warnings=warnings)
        cells = emptied_cells(newest.document if newest else None, document, here)
        if cells and gated and not reason.strip():
            raise CellsEmptied(cells)
        told = noted(note, reason if cells else "")
        _store(
            CatalogueRevision(number=number + 1, document=document, sha256=sha256, author=author, note=told)
        )
        tell(deed, f"revision {number + 1}", author, note=told, parent=number, emptied=list(map(str, cells)))
        return Publication(number + 1, changed=True, warnings=warnings, emptied=cells)


def _store(revision: CatalogueRevision) -> None:
    """The new revision, on top of the one before it."""
    revision.parent = revision.number - 1 or None
    revision.save(force_insert=True)


def noted(note: str, reason: str) -> str:
    """The note with the reason behind it, as long as a revision's note may be."""
    why = f"Reason: {' '.join(reason.split())[:REASON_LENGTH]}" if reason.strip() else ""
    room = NOTE_LENGTH - len(why) - 3 if why else NOTE_LENGTH
    return " · ".join(text for text in (note.strip()[:room], why) if text)


def publish_saved(author: str) -> Publication | None:
    """Publish after a save in admin; None when operators hold publishing. Raises PublishRefused or CellsEmptied."""
    with publishing_lock():  # whoever waited for it sees what was held meanwhile
        return None if PublishingSwitch.load().held else publish(author)


def roll_back(number: int, author: str) -> Publication:
    """Restore the tables to revision `number` and publish them as the newest one; all or nothing.

    What is known to have served needs no reason for the cells that it empties; the publication names them.
    """
    with publishing_lock():
        revision = CatalogueRevision.objects.filter(number=number).first()
        if revision is None:
            raise UnknownRevision(number)
        try:
            restore_rows(revision.document)
        except CatalogueError as error:
            raise PublishRefused((_error(str(error)),)) from None
        return publish(author, f"Roll back to revision {number}", deed="rolled back", gated=False)


def check(document: Document, number: int, surroundings: Surroundings) -> tuple[Finding, ...]:
    """What is wrong with the document, seen from these surroundings; errors first."""
    try:
        findings = validate(compile_snapshot(document, number, surroundings))
    except CatalogueError as error:
        return (_error(str(error)),)
    return findings + tuple(_address_findings(document, surroundings))


def newest_revision() -> CatalogueRevision | None:
    """The revision that serves, None before the first one."""
    return CatalogueRevision.objects.order_by("-number").first()


def is_published(revision: CatalogueRevision, document: Document) -> bool:
    """Whether the document says what the revision says; empty fields of a later version are no difference."""
    return revision.sha256 == document_sha256(document) or not compare(revision.document, document)


def in_words(findings: Iterable[Finding]) -> str:
    """The findings as sentences, for a message."""
    return " ".join(f"{finding.subject}: {finding.message} {finding.advice}" for finding in findings)


def cells_in_words(cells: tuple[Cell, ...]) -> str:
    """What nobody could answer any more, as a sentence."""
    return f"no deployment would be left for requests that are answered now: {named(cells)}."


def named(cells: tuple[Cell, ...]) -> str:
    """The first few cells by name, and how many more there are."""
    more = f" and {len(cells) - CELLS_NAMED:,} more" if len(cells) > CELLS_NAMED else ""
    return "; ".join(str(cell) for cell in cells[:CELLS_NAMED]) + more


@contextmanager
def publishing_lock() -> Iterator[None]:
    """A transaction in which nobody else publishes, restores or loads."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        yield


def _error(message: str) -> Finding:
    return Finding(ERROR, "catalogue", message, "Correct it, then publish again.")


def _address_findings(document: Document, surroundings: Surroundings) -> Iterable[Finding]:
    for provider in document["providers"]:
        if provider["enabled"] and (problem := address_warning(provider, surroundings)):
            advice = "Requests to it are refused until this is settled."
            yield Finding(WARNING, f"provider {provider['slug']}", problem, advice)
