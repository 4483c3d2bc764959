"""Publishing at a time: the wish is a row, and whichever worker comes first carries it out, once."""

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from routing.catalogue import read_document
from routing.document import document_sha256
from routing.draft import hold
from routing.engine.validate import errors_of
from routing.events import tell
from routing.gate import emptied_cells
from routing.models import ScheduledPublication
from routing.provider_secrets import surroundings_here
from routing.publish import (
    NOTE_LENGTH,
    CellsEmptied,
    DraftMoved,
    PublishError,
    PublishRefused,
    StaleParent,
    check,
    is_published,
    newest_revision,
    publish,
    publishing_lock,
)

LONGEST = timedelta(days=366)
WAITING, PUBLISHED, REFUSED, CANCELLED = (
    ScheduledPublication.WAITING,
    ScheduledPublication.PUBLISHED,
    ScheduledPublication.REFUSED,
    ScheduledPublication.CANCELLED,
)


class NotScheduled(PublishError):
    """The wish cannot be kept; the message says why."""


def schedule(
    at: datetime, author: str, note: str = "", *, parent: int, seen: str, reason: str = ""
) -> ScheduledPublication:
    """Publish the draft at that time; saves stay a draft until then, and longer where publishing was held before.

    What would be refused now is refused now: raises NotScheduled, StaleParent, PublishRefused, CellsEmptied or
    DraftMoved (`seen` is the mark of the draft that was looked at).
    """
    _check_time(at)
    with publishing_lock():
        _check_now(parent, seen, reason)
        if waiting():
            raise NotScheduled("A publication is scheduled already: cancel it first.")
        made = ScheduledPublication.objects.create(
            at=at,
            author=author,
            note=note[:NOTE_LENGTH],
            reason=reason[:NOTE_LENGTH],
            parent=parent,
            sha256=seen,
            began_hold=hold(),
        )
        tell("scheduled", str(made), author, note=made.note, reason=made.reason, parent=parent)
        return made


def cancel(pk: int, author: str) -> ScheduledPublication:
    """Take the wish back. Raises NotScheduled when it is carried out, refused or cancelled already."""
    with publishing_lock():
        found = ScheduledPublication.objects.select_for_update().filter(pk=pk, state=WAITING).first()
        if found is None:
            raise NotScheduled("It is not waiting any more: see what came of it.")
        _end(found, CANCELLED, f"Cancelled by {author}.")
        _end_hold(found)
        tell("cancelled", str(found), author)
        return found


def waiting() -> ScheduledPublication | None:
    """The one that is waiting for its time, if any."""
    return ScheduledPublication.objects.filter(state=WAITING).first()


def latest() -> ScheduledPublication | None:
    """The newest one, whatever came of it."""
    return ScheduledPublication.objects.order_by("-id").first()


def carry_out_due(now: datetime | None = None) -> ScheduledPublication | None:
    """Publish what is due, or record the refusal; None when nothing is due. Any number of workers may ask at once.

    The row, the revision and the audit are written in one transaction, under the publishing lock.
    """
    with publishing_lock():
        due = ScheduledPublication.objects.select_for_update().filter(
            state=WAITING, at__lte=now or timezone.now()
        )
        found = due.first()
        if found is None:
            return None
        try:
            with transaction.atomic():
                _publish(found)
        except PublishError as refusal:
            _end(found, REFUSED, str(refusal))
            tell("refused", str(found), found.author, why=str(refusal))
        return found


def _publish(found: ScheduledPublication) -> None:
    newest = newest_revision()
    number = newest.number if newest else 0
    if number != found.parent:
        raise StaleParent(found.parent, number)
    document = read_document()
    if document_sha256(document) != found.sha256:
        _check_draft(number)  # an error says more than that the draft moved
        raise DraftMoved
    done = publish(found.author, found.note, parent=found.parent, reason=found.reason)
    found.revision = done.number
    said = "Published as" if done.changed else "Nothing differed from"
    _end(found, PUBLISHED, f"{said} revision {done.number}.")
    _end_hold(found)


def _check_time(at: datetime) -> None:
    now = timezone.now()
    if at <= now:
        raise NotScheduled(f"That time is past: it is {timezone.localtime(now):%Y-%m-%d %H:%M %Z} now.")
    if at > now + LONGEST:
        raise NotScheduled("That is more than a year away.")


def _check_now(parent: int, seen: str, reason: str) -> None:
    newest, document, here = newest_revision(), read_document(), surroundings_here()
    number = newest.number if newest else 0
    if parent != number:
        raise StaleParent(parent, number)
    if document_sha256(document) != seen:
        raise DraftMoved
    if newest and is_published(newest, document):
        raise NotScheduled("The draft equals what serves: there is nothing to publish.")
    _check_draft(number)
    cells = emptied_cells(newest.document if newest else None, document, here)
    if cells and not reason.strip():
        raise CellsEmptied(cells)


def _check_draft(number: int) -> None:
    findings = check(read_document(), number + 1, surroundings_here())
    if errors_of(findings):
        raise PublishRefused(findings)


def _end(found: ScheduledPublication, state: str, outcome: str) -> None:
    found.state, found.outcome, found.done_at = state, outcome, timezone.now()
    found.save(update_fields=["state", "outcome", "revision", "done_at"])


def _end_hold(found: ScheduledPublication) -> None:
    """Saves publish again, unless somebody wanted publishing to be held for another reason."""
    if found.began_hold:
        hold(False)
