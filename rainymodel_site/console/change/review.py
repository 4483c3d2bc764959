"""What the page of the draft shows: what publishing would change, what speaks against it, and who edited what."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import QuerySet
from django.urls import reverse

from routing.catalogue import read_document
from routing.diff import Change, compare
from routing.document import document_sha256
from routing.engine.validate import ERROR, Finding
from routing.gate import Row, matrix
from routing.models import CatalogueRevision, PublishingSwitch, ScheduledPublication
from routing.provider_secrets import surroundings_here
from routing.publish import check, newest_revision
from routing.schedule import latest
from routing.tables import TABLES, Table

EDITS_SHOWN, EDITS_READ = 50, 500
ROWS_SHOWN = 300  # of the matrix, in each of its parts


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing of the catalogue: what would change, what the validator says, who edited it; `url` is its page."""

    subject: str
    change: Change | None
    url: str
    findings: tuple[Finding, ...] = ()
    editors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Matrix:
    """The gate's rows: those that would lose an answer, those that change otherwise, and the others."""

    emptied: tuple[Row, ...]
    changed: tuple[Row, ...]
    empty: tuple[Row, ...]
    others: tuple[Row, ...]

    @property
    def left_out(self) -> int:
        """How many of the other rows a page does not show."""
        return max(0, len(self.others) - ROWS_SHOWN) + max(0, len(self.empty) - ROWS_SHOWN)


@dataclass(frozen=True, slots=True)
class Review:
    """The whole page. `mark` is the draft's fingerprint, `serving` the revision it was compared with.

    `uncounted` aliases are not in the matrix: there are many, and nothing can change for them.
    """

    serving: int
    mark: str
    held: bool
    things: tuple[Thing, ...]
    also: tuple[Thing, ...]
    can_serve: bool
    matrix: Matrix
    uncounted: int
    edits: tuple[LogEntry, ...]
    scheduled: ScheduledPublication | None

    @property
    def differs(self) -> bool:
        """Whether there is anything to publish."""
        return any(thing.change for thing in self.things) or not self.serving

    @property
    def needs_reason(self) -> bool:
        """Whether publishing takes a reason."""
        return bool(self.matrix.emptied)


def read_review() -> Review:
    """The draft as it stands, against what serves."""
    newest, draft, here = newest_revision(), read_document(), surroundings_here()
    serving = newest.document if newest else None
    number = newest.number if newest else 0
    changes, findings = compare(serving, draft), check(draft, number + 1, here)
    rows, edits = matrix(serving, draft, here), edits_since(newest)
    things, also = things_of(changes, findings, editors_of(edits))
    return Review(
        serving=number,
        mark=document_sha256(draft),
        held=PublishingSwitch.load().held,
        things=things,
        also=also,
        can_serve=all(finding.level != ERROR for finding in findings),
        matrix=sorted_rows(rows),
        uncounted=max(0, len(draft["aliases"]) - len({row.alias for row in rows})) if rows else 0,
        edits=tuple(edits[:EDITS_SHOWN]) if changes else (),
        scheduled=latest(),
    )


def things_of(
    changes: Sequence[Change], findings: Iterable[Finding], editors: Mapping[str, tuple[str, ...]]
) -> tuple[tuple[Thing, ...], tuple[Thing, ...]]:
    """What changes, each with what is found about it; and what is found about everything else."""
    said = by_subject(findings)
    urls = urls_of({*said, *(change.subject for change in changes)})
    things = []
    for change in changes:
        name = change.subject
        about = tuple(said.pop(name, ()))
        things.append(Thing(name, change, urls.get(name, ""), about, editors.get(name, ())))
    others = (Thing(name, None, urls.get(name, ""), tuple(about)) for name, about in said.items())
    return tuple(things), tuple(others)


def by_subject(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Subject → what is said about it, errors first as they come."""
    found: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        found[finding.subject].append(finding)
    return found


def sorted_rows(rows: Iterable[Row]) -> Matrix:
    """The rows, each in the first part that it fits in."""
    parts: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        kind = (
            "emptied"
            if row.is_emptied
            else "changed"
            if row.has_changed
            else "empty"
            if row.is_empty
            else "others"
        )
        parts[kind].append(row)
    return Matrix(*(tuple(parts[kind]) for kind in ("emptied", "changed", "empty", "others")))


def edits_since(newest: CatalogueRevision | None) -> QuerySet[LogEntry]:
    """What was saved in the catalogue's pages since the newest revision, the latest first."""
    kinds = ContentType.objects.get_for_models(*(table.model for table in TABLES)).values()
    entries = LogEntry.objects.filter(content_type__in=list(kinds)).select_related("user", "content_type")
    if newest is not None:
        entries = entries.filter(action_time__gt=newest.published_at)
    return entries.order_by("-action_time")


def editors_of(edits: QuerySet[LogEntry]) -> dict[str, tuple[str, ...]]:
    """Subject → who has saved or deleted it since the newest revision."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    entries = list(edits[:EDITS_READ])
    for table in TABLES:
        own = [edit for edit in entries if is_about(edit, table)]
        rows = table.model._default_manager.filter(pk__in={edit.object_id for edit in own})
        names = {str(pk): name for pk, name in rows.values_list("pk", table.key)}
        for edit in own:
            subject = f"{table.noun} {names.get(str(edit.object_id), edit.object_repr)}"
            found[subject][edit.user.get_username()] = None
    return {subject: tuple(names) for subject, names in found.items()}


def is_about(edit: LogEntry, table: Table) -> bool:
    """Whether the edit was of a row of this table."""
    return edit.content_type is not None and edit.content_type.model == table.model._meta.model_name


def urls_of(subjects: Iterable[str]) -> dict[str, str]:
    """Subject → the page on which it is edited, for those that exist."""
    wanted: dict[str, list[str]] = defaultdict(list)
    for subject in subjects:
        noun, _, name = subject.partition(" ")
        wanted[noun].append(name)
    found: dict[str, str] = {}
    for table in TABLES:
        rows = table.model._default_manager.filter(**{f"{table.key}__in": wanted.get(table.noun, [])})
        for name, pk in rows.values_list(table.key, "pk"):
            kind = f"admin:routing_{table.model._meta.model_name}_change"
            found[f"{table.noun} {name}"] = reverse(kind, args=[pk])
    return found
