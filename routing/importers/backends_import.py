"""Importing a backends.json: file → rows → sealed keys → a published revision, or nothing at all."""

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from routing.catalogue import read_document
from routing.importers.backends_entries import Carried, carry
from routing.importers.backends_file import BackendsFile, read_backends
from routing.importers.litellm_import import (
    AUTHOR,
    Imported,
    Wish,
    loaded_aliases,
    publish_wish,
    report_rows,
    standing_errors,
)
from routing.importers.litellm_providers import sameness
from routing.importers.litellm_rows import RowPlan, plan_rows
from routing.importers.litellm_situation import Situation
from routing.importers.litellm_steps import report_next_steps
from routing.importers.litellm_targets import targets_by_name
from routing.importers.litellm_vendors import Upstream
from routing.importers.report import Report
from routing.loader import load_rows
from routing.models import Provider
from routing.provider_secrets import set_secret, surroundings_here
from routing.publish import publishing_lock


def import_backends(
    text: str, wish: Wish, now: datetime, environ: Mapping[str, str] = os.environ
) -> Imported:
    """Import the file's text, all or nothing. Raises ImportRefused or CatalogueError in one sentence."""
    file = read_backends(text)
    with publishing_lock():
        before = standing_errors()
        report = _load(file, wish, now, environ)
        findings = publish_wish(wish, report, before)
        if wish.dry_run or findings:
            transaction.set_rollback(True)
    return Imported(report.text(), refused=bool(findings))


def _load(file: BackendsFile, wish: Wish, now: datetime, environ: Mapping[str, str]) -> Report:
    """Write the rows and seal the keys; the report says what came of it."""
    report = Report(summary=_summary(file, wish))
    carried = carry(file, report)
    catalogue = read_document()
    deleted = loaded_aliases() - {alias["name"] for alias in catalogue["aliases"]}
    situation = Situation(catalogue, surroundings_here(), environ, now, wish.overwrite, deleted)
    plan = plan_rows(carried.config, situation, report)
    _add_headers(plan, carried, situation, report)
    loaded = load_rows(plan.sections, overwrite=wish.overwrite)
    for slug, secret in plan.secrets.items():
        if f"provider {slug}" in loaded.created:
            set_secret(Provider.objects.get(slug=slug), secret, AUTHOR)
    report_rows(loaded, plan, report)
    used = [entry for entry in read_document()["providers"] if entry["slug"] in plan.providers]
    report_next_steps(used, carried.config, surroundings_here(), environ, report)
    return report


def _summary(file: BackendsFile, wish: Wish) -> str:
    models = sum(len(backend.models) for backend in file.backends)
    prefixes = sum(len(backend.prefixes) for backend in file.backends)
    return (
        f"{wish.source}: providers: {len(file.backends)}; models: {models}; prefixes: {prefixes}; "
        f"other names: {len(file.aliases)}; default models: {len(file.defaults)}."
    )


def _add_headers(plan: RowPlan, carried: Carried, situation: Situation, report: Report) -> None:
    """Give new providers their extra headers; a provider that is here already keeps its own."""
    is_same = sameness(situation.catalogue, situation.surroundings)
    here = situation.catalogue["providers"]
    for targets in targets_by_name(carried.config, situation, Report()).values():
        for target in targets:
            wanted = carried.headers_for(target.entry)
            found = next((entry for entry in here if is_same(entry, target.upstream)), None)
            if found is None:
                _add_to_new(plan.sections["providers"], target.upstream, wanted)
            elif missing := set(wanted) - set(found["extra_headers"]):
                what = f"provider {found['slug']} is here already; enter the header on its page"
                for name in sorted(missing):
                    report.say("not_carried", f"headers.{name}: {what}.")


def _add_to_new(rows: Mapping[str, dict[str, Any]], upstream: Upstream, wanted: Mapping[str, str]) -> None:
    place = upstream.litellm_prefix, upstream.address.template, upstream.credential.variable
    for row in rows.values():
        if wanted and (row["litellm_prefix"], row["base_url"], row["credential_variable"]) == place:
            row["extra_headers"] = {**row.get("extra_headers", {}), **wanted}
