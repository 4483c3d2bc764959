"""A litellm configuration as rows of the catalogue: what the loader is given.

Aliases that are there already keep their routes unless overwriting, and nothing is created on their behalf:
importing a file again changes nothing, whatever operators edited since.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from routing.importers.litellm_aliases import LISTED, add_group_aliases, alias_row, is_ordered, report_kept
from routing.importers.litellm_config import LitellmConfig
from routing.importers.litellm_deployments import Deployments
from routing.importers.litellm_providers import Entry, plan_providers, sameness
from routing.importers.litellm_situation import Situation, starting
from routing.importers.litellm_targets import Target, targets_by_name
from routing.importers.report import Report

AUTO = "auto"
Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RowPlan:
    """The sections for the loader, the keys to seal by provider, a few words on each row, the providers it is about."""

    sections: Mapping[str, Rows]
    secrets: Mapping[str, str] = field(repr=False)
    words: Mapping[str, str]
    providers: tuple[str, ...]


def plan_rows(config: LitellmConfig, situation: Situation, report: Report) -> RowPlan:
    """Everything of the file that becomes rows; the report has everything that does not."""
    for left in config.left_out:
        report.say("not_carried", f"{left.what}: {left.why}.", left.line)
    names = targets_by_name(config, situation, report)
    written = _names_to_write(names, situation, report)
    providers = plan_providers(
        [target for name in written for target in names[name]], config, situation, report
    )
    deployments = Deployments(providers, config, situation)
    policies = _policies([names[name] for name in written], situation, report)
    present = situation.rows("aliases", "name")
    listed = LISTED if LISTED in policies or LISTED in situation.rows("policies", "name") else None
    aliases = {
        name: alias_row(names[name], deployments, present.get(name), listed, report) for name in written
    }
    add_group_aliases(config.aliases, aliases, situation, lambda name: _is_kept(name, situation), report)
    sections = {
        "tiers": _tiers(deployments.rows, policies, situation),
        "policies": policies,
        "providers": dict(providers.rows),
        "deployments": deployments.rows,
        "aliases": aliases,
    }
    kept = [target for name in names if name not in written for target in names[name]]
    used = tuple(dict.fromkeys([*providers.slugs.values(), *_serving(kept, situation)]))
    return RowPlan(sections, providers.secrets, _words(sections, deployments, providers.secrets), used)


def _names_to_write(names: Mapping[str, list[Target]], situation: Situation, report: Report) -> list[str]:
    present = situation.rows("aliases", "name")
    for name, targets in names.items():
        if _is_kept(name, situation):
            if name in present:
                report_kept(name, targets, present[name], situation, report)
            else:
                report.say("kept", f"alias {name}: it was deleted here; --overwrite brings it back.")
    return [name for name in names if not _is_kept(name, situation)]


def _serving(targets: list[Target], situation: Situation) -> Iterator[str]:
    """The providers that are there for these targets, so that the report can say whether they are ready."""
    is_same = sameness(situation.catalogue, situation.surroundings)
    for entry in situation.catalogue["providers"]:
        if any(is_same(entry, target.upstream) for target in targets):
            yield entry["slug"]


def _is_kept(name: str, situation: Situation) -> bool:
    """An operator's alias stays, and so does its absence once it was deleted."""
    is_here = name in situation.rows("aliases", "name") or name in situation.deleted
    return is_here and not situation.overwrite


def _policies(groups: list[list[Target]], situation: Situation, report: Report) -> Rows:
    """The policies that the names need and the catalogue lacks."""
    present = situation.rows("policies", "name")
    taken = {synonym for policy in present.values() for synonym in policy["synonyms"]} | set(present)
    rows: Rows = {}
    if groups and AUTO not in taken:
        rows[AUTO] = starting()["policies"][AUTO]
    if any(is_ordered(targets) for targets in groups):
        if LISTED not in taken:
            rows[LISTED] = {"description": "The routes in their order, whatever their tiers."}
        elif LISTED not in present:
            what = "fallback_order: another policy is called listed, so policies decide; the routes have the order."
            report.say("not_carried", what)
        elif present[LISTED]["steps"]:
            report.say(
                "kept", "policy listed: it has steps here, so they come before the order of the routes."
            )
    return rows


def _tiers(deployments: Rows, policies: Rows, situation: Situation) -> Rows:
    """The starting tiers that the rows need and the catalogue lacks."""
    needed = {row["tier"] for row in deployments.values()} | (
        set(starting()["tiers"]) if AUTO in policies else set()
    )
    missing = needed - set(situation.rows("tiers"))
    return {slug: tier for slug, tier in starting()["tiers"].items() if slug in missing}


def _words(
    sections: Mapping[str, Rows], deployments: Deployments, sealed: Mapping[str, str]
) -> dict[str, str]:
    """A few words on each row, by the name that the loader reports it under."""
    words = {f"deployment {slug}": deployments.summary(slug) for slug in sections["deployments"]}
    words |= {
        f"provider {slug}": _provider_words(row, slug in sealed)
        for slug, row in sections["providers"].items()
    }
    for name, row in sections["aliases"].items():
        slugs = [route if isinstance(route, str) else route["deployment"] for route in row["routes"]]
        policy = f" (policy {row['policy']})" if row.get("policy") else ""
        words[f"alias {name}"] = f"{' · '.join(slugs)}{policy}"
    return words


def _provider_words(row: Entry, is_sealed: bool) -> str:
    variable = row["credential_variable"]
    key = "its key sealed" if is_sealed else f"key from {variable}" if variable else "no key"
    return f"{row['base_url'] or row['litellm_prefix']}, {key}"
