"""Publishing: the draft in the tables becomes a numbered revision that workers serve.

PublishError
├── PublishRefused     the draft has errors; nothing was published
├── StaleParent        somebody published since the draft was looked at
└── UnknownRevision    there is no revision of that number
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.db import connection, transaction

from routing.catalogue import read_document, restore_rows
from routing.compile import compile_snapshot
from routing.document import CatalogueError, Document, document_sha256
from routing.engine.validate import ERROR, WARNING, Finding, errors_of, validate
from routing.environment import Surroundings, address_warning
from routing.models import CatalogueRevision, PublishingSwitch
from routing.provider_secrets import surroundings_here

LOCK = 7_262_001  # any number that nothing else in this database locks on
NOTE_LENGTH = 300


class PublishError(Exception):
    """Nothing was published; the message is written for an operator."""


class PublishRefused(PublishError):
    """The draft has errors."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("Not published: " + in_words(errors_of(findings)))
        self.findings = findings


class StaleParent(PublishError):
    """The draft was looked at on top of one revision, and another is the newest now."""

    def __init__(self, based_on: int, newest: int) -> None:
        super().__init__(
            f"The catalogue changed: revision {newest} was published since you looked at {based_on}."
            " Review what differs now, then publish again."
        )
        self.based_on, self.newest = based_on, newest


class UnknownRevision(PublishError):
    """A roll back to a revision that does not exist."""

    def __init__(self, number: int) -> None:
        super().__init__(f"There is no revision {number}.")
        self.number = number


@dataclass(frozen=True, slots=True)
class Publication:
    """What serves now: its number, whether this call published it, and the warnings about it."""

    number: int
    changed: bool
    warnings: tuple[Finding, ...] = ()


def publish(author: str, note: str = "", *, parent: int | None = None) -> Publication:
    """Publish the draft under the next number, unless it equals the newest revision.

    `parent` is the revision the draft was looked at on top of. Raises PublishRefused or StaleParent.
    """
    with publishing_lock():
        newest = newest_revision()
        number = newest.number if newest else 0
        if parent is not None and parent != number:
            raise StaleParent(parent, number)
        document = read_document()
        findings = check(document, number + 1, surroundings_here())
        if errors_of(findings):
            raise PublishRefused(findings)
        warnings = tuple(finding for finding in findings if finding.level != ERROR)
        sha256 = document_sha256(document)
        if newest and newest.sha256 == sha256:
            return Publication(number, changed=False, warnings=warnings)
        CatalogueRevision.objects.create(
            number=number + 1,
            document=document,
            sha256=sha256,
            author=author,
            note=note[:NOTE_LENGTH],
            parent=number or None,
        )
        return Publication(number + 1, changed=True, warnings=warnings)


def publish_saved(author: str) -> Publication | None:
    """Publish after a save in admin; None when operators hold publishing. Raises PublishRefused."""
    if PublishingSwitch.load().held:
        return None
    return publish(author)


def roll_back(number: int, author: str) -> Publication:
    """Restore the tables to revision `number` and publish them as the newest one; all or nothing."""
    with publishing_lock():
        revision = CatalogueRevision.objects.filter(number=number).first()
        if revision is None:
            raise UnknownRevision(number)
        try:
            restore_rows(revision.document)
        except CatalogueError as error:
            raise PublishRefused((_error(str(error)),)) from None
        return publish(author, f"Roll back to revision {number}")


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


def in_words(findings: Iterable[Finding]) -> str:
    """The findings as sentences, for a message."""
    return " ".join(f"{finding.subject}: {finding.message} {finding.advice}" for finding in findings)


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
