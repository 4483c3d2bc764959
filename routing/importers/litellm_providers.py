"""Which provider row serves each upstream of a litellm configuration: one that is there already, or a new one.

One provider for each address and key. A row that is there serves when its address and its key are the same; an
entry that names no key takes any row of its address.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from routing.document import Document
from routing.environment import Surroundings, address_of, credentials
from routing.importers.litellm_config import LitellmConfig
from routing.importers.litellm_left_out import LONGEST_LIMIT
from routing.importers.litellm_situation import Situation
from routing.importers.litellm_targets import Identity, Target
from routing.importers.litellm_vendors import Upstream, comparable
from routing.importers.report import Report
from routing.models import Provider

Entry = Mapping[str, Any]
DEFAULT_LIMIT = float(Provider._meta.get_field("first_content_limit").get_default())
DEFAULT_TOTAL = float(Provider._meta.get_field("total_limit").get_default())


@dataclass(frozen=True, slots=True)
class ProviderPlan:
    """The slug for each identity, the rows to write, the keys to seal, and every row's limits as they will be."""

    slugs: Mapping[Identity, str]
    rows: Mapping[str, dict[str, Any]]
    secrets: Mapping[str, str] = field(repr=False)
    known: Mapping[str, Entry] = field(default_factory=dict)


def plan_providers(
    targets: Iterable[Target], config: LitellmConfig, situation: Situation, report: Report
) -> ProviderPlan:
    """A provider for every target; those that are there keep their rows, their breaker apart when overwriting."""
    known: dict[str, Entry] = dict(situation.rows("providers"))
    is_same = sameness(situation.catalogue, situation.surroundings)
    slugs: dict[Identity, str] = {}
    rows: dict[str, dict[str, Any]] = {}
    secrets: dict[str, str] = {}
    for identity, members in _by_identity(targets).items():
        upstream = members[0].upstream
        found = next((entry for entry in situation.catalogue["providers"] if is_same(entry, upstream)), None)
        if found is None:
            slug = unique(upstream.slug, known)
            rows[slug] = known[slug] = _new_row(upstream, members, config)
            if upstream.credential.secret:
                secrets[slug] = upstream.credential.secret
                _report_default(slug, upstream.credential.variable, report)
        else:
            slug = found["slug"]
            rows |= _breaker_row(found, config, report, overwrite=situation.overwrite)
        slugs[identity] = slug
    return ProviderPlan(slugs, rows, secrets, known)


def sameness(catalogue: Document, surroundings: Surroundings) -> Callable[[Entry, Upstream], bool]:
    """A question: does this row of the catalogue serve this upstream, key included?"""
    keys = credentials(catalogue, surroundings)

    def is_same(entry: Entry, upstream: Upstream) -> bool:
        wire, prefix, address = upstream.place
        base_url = address_of(entry, surroundings) if entry["base_url"] else ""
        if (entry["wire"], entry["litellm_prefix"], comparable(base_url)) != (wire, prefix, address):
            return False
        credential = upstream.credential
        if credential.secret:
            return keys.get(entry["slug"]) == credential.secret
        return not credential.variable or entry["credential_variable"] == credential.variable

    return is_same


def unique(slug: str, taken: Mapping[str, object]) -> str:
    """The slug itself, else with the first number that makes it one of its own."""
    numbers = range(2, len(taken) + 3)
    return next(name for name in (slug, *(f"{slug}-{number}" for number in numbers)) if name not in taken)


def _by_identity(targets: Iterable[Target]) -> dict[Identity, list[Target]]:
    groups: dict[Identity, list[Target]] = {}
    for target in targets:
        groups.setdefault(target.identity, []).append(target)
    return groups


def _new_row(upstream: Upstream, members: list[Target], config: LitellmConfig) -> dict[str, Any]:
    """A provider's limit is the one that most of its entries state."""
    stated = Counter(member.entry.timeout for member in members if member.entry.timeout is not None)
    limit = stated.most_common(1)[0][0] if stated else config.timeout
    row: dict[str, Any] = {
        "upstream": upstream.label,
        "wire": upstream.wire,
        "litellm_prefix": upstream.litellm_prefix,
        "base_url": upstream.address.template,
        "address_class": upstream.address_class,
        "credential_variable": upstream.credential.variable,
        "first_content_limit": limit or DEFAULT_LIMIT,
        "total_limit": total_limit(limit or DEFAULT_LIMIT),
    }
    return row | _breaker(config)


def _report_default(slug: str, variable: str, report: Report) -> None:
    if variable:
        what = f"{variable} is not set, so the key that the file has for it was sealed."
        report.say("next_steps", f"{what} It wins over the variable until it is forgotten on {slug}'s page.")


def _breaker_row(
    found: Entry, config: LitellmConfig, report: Report, *, overwrite: bool
) -> dict[str, dict[str, Any]]:
    """What the file says of the breaker, for a row that is there already and says something else."""
    wanted = {name: value for name, value in _breaker(config).items() if found[name] != value}
    if not wanted:
        return {}
    words = ", ".join(f"{name} {found[name]:g} (the file: {value:g})" for name, value in wanted.items())
    if not overwrite:
        report.say("kept", f"provider {found['slug']}: {words}; --overwrite takes the file's.")
        return {}
    return {found["slug"]: {name: value for name, value in found.items() if name != "slug"} | wanted}


def _breaker(config: LitellmConfig) -> dict[str, float]:
    stated = {"open_after": config.open_after, "open_for": config.open_for}
    return {name: value for name, value in stated.items() if value is not None}


def total_limit(first_content: float) -> float:
    """A whole answer may take longer than its beginning."""
    return DEFAULT_TOTAL if first_content < DEFAULT_TOTAL else min(LONGEST_LIMIT, first_content + 300)
