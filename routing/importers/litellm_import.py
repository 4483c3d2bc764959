"""Importing a litellm configuration: file → rows → sealed keys → a published revision, or nothing at all."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from routing.catalogue import read_document
from routing.engine.validate import Finding, errors_of
from routing.importers.litellm_config import LitellmConfig, read_config
from routing.importers.litellm_rows import RowPlan, plan_rows
from routing.importers.litellm_situation import Situation
from routing.importers.litellm_steps import report_next_steps
from routing.importers.report import Report
from routing.loader import LoadReport, load_rows
from routing.models import Provider, PublishingSwitch, SeededRow
from routing.provider_secrets import set_secret, surroundings_here
from routing.publish import (
    CellsEmptied,
    PublishRefused,
    check,
    in_words,
    newest_revision,
    publish,
    publishing_lock,
)

AUTHOR = "import"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the operator asked for: the file's name for the record, and how to go about it."""

    source: str
    overwrite: bool = False
    dry_run: bool = False
    first_start: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """The report as text; `refused`: the import would have brought errors, so nothing was changed."""

    text: str
    refused: bool


def import_litellm(
    text: str, wish: Wish, now: datetime, environ: Mapping[str, str] = os.environ
) -> Imported | None:
    """Import the file's text, all or nothing; None when a first start imported already.

    Raises ImportRefused or CatalogueError in one sentence; then nothing was changed.
    """
    config = read_config(text)
    with publishing_lock():
        switch = PublishingSwitch.load()
        if wish.first_start and switch.litellm_imported_at:
            return None
        before = standing_errors()
        report = _load(config, wish, now, environ)
        findings = publish_wish(wish, report, before)
        if wish.first_start:
            switch.litellm_imported_at = now
            switch.save(update_fields=["litellm_imported_at"])
        if wish.dry_run or findings:
            transaction.set_rollback(True)
    return Imported(report.text(), refused=bool(findings))


def _load(config: LitellmConfig, wish: Wish, now: datetime, environ: Mapping[str, str]) -> Report:
    """Write the rows and seal the keys; the report says what came of it."""
    names = len({entry.name for entry in config.entries})
    report = Report(
        summary=f"{wish.source}: model_list has {len(config.entries)} entries; different names: {names}."
    )
    catalogue = read_document()
    deleted = loaded_aliases() - {alias["name"] for alias in catalogue["aliases"]}
    situation = Situation(catalogue, surroundings_here(), environ, now, wish.overwrite, deleted)
    plan = plan_rows(config, situation, report)
    loaded = load_rows(plan.sections, overwrite=wish.overwrite)
    for slug, secret in plan.secrets.items():
        if f"provider {slug}" in loaded.created:
            set_secret(Provider.objects.get(slug=slug), secret, AUTHOR)
    report_rows(loaded, plan, report)
    used = [entry for entry in read_document()["providers"] if entry["slug"] in plan.providers]
    report_next_steps(used, config, surroundings_here(), environ, report)
    return report


def loaded_aliases() -> frozenset[str]:
    return frozenset(SeededRow.objects.filter(kind="alias").values_list("key", flat=True))


def report_rows(loaded: LoadReport, plan: RowPlan, report: Report) -> None:
    for section, names in (("created", loaded.created), ("changed", loaded.updated)):
        for name in names:
            words = plan.words.get(name, "")
            report.say(section, f"{name}: {words}" if words else name)
    for name, reason in loaded.left_out.items():
        report.say("kept", f"{name}: {reason}; --overwrite brings it back.")


def standing_errors() -> tuple[Finding, ...]:
    """The errors that the draft has before an import, where a revision serves all the same; none without one."""
    newest = newest_revision()
    return errors_of(check(read_document(), newest.number + 1, surroundings_here())) if newest else ()


def publish_wish(wish: Wish, report: Report, before: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Publish, unless operators hold publishing; the errors that the import would bring, for which it is refused.

    With errors of `before` nothing can be published: what is imported stays a draft, as after a save in admin.
    """
    if newest_revision() and not (report.created or report.changed):
        report.closing = "Nothing was changed: the catalogue has it all, or keeps what it has."
        return ()
    if newest_revision() and PublishingSwitch.load().held:
        report.closing = f"Publishing is held, so this is a draft.{_dry(wish)}"
        return ()
    try:
        publication = publish(AUTHOR, f"Import of {wish.source}")
    except PublishRefused as error:
        new = tuple(finding for finding in errors_of(error.findings) if finding not in before)
        old = [finding for finding in errors_of(error.findings) if finding in before]
        report.closing = _not_published(new, old, wish)
        return new
    except CellsEmptied as error:
        report.closing = f"This is a draft. {error}{_dry(wish)}"
        return ()
    would = "Would be published" if wish.dry_run else "Published"
    what = (
        f"{would} as revision {publication.number}."
        if publication.changed
        else "There is nothing new to publish."
    )
    report.closing = f"{what}{_dry(wish)}"
    return ()


def _not_published(new: Sequence[Finding], old: Sequence[Finding], wish: Wish) -> str:
    """Why nothing was published, an error a line: those the import would bring, then those that were there before."""
    stood = ["The draft had errors before this import:", *map(_line, old)] if old else []
    if new:
        return "\n".join(["Not imported, the catalogue would have errors:", *map(_line, new), *stood])
    would = "Would be a draft" if wish.dry_run else "Imported as a draft"
    how = "Mend them in admin: the save that mends the last one publishes everything, or `manage.py publish` does."
    return "\n".join([f"{would}, not published.{_dry(wish)}", *stood, how])


def _line(finding: Finding) -> str:
    return f"  {in_words([finding])}"


def _dry(wish: Wish) -> str:
    return " Dry run: nothing was changed." if wish.dry_run else ""
