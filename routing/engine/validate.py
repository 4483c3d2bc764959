"""What is wrong with a catalogue, in words an operator can act on.

The publish check and every worker ask the same question: a snapshot with an error does not serve.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from routing.engine.names import STAR
from routing.engine.select import DEFAULT_POLICY
from routing.engine.snapshot import STRATEGIES, Alias, Route, Snapshot, TierPolicy
from routing.engine.validate_rows import (
    ERROR,
    WARNING,
    Finding,
    deployment_findings,
    is_amount,
    provider_findings,
    tier_findings,
)

MOST_ROWS = 10_000

__all__ = ["ERROR", "WARNING", "Finding", "errors_of", "validate"]


def validate(snapshot: Snapshot) -> tuple[Finding, ...]:
    """Every finding, errors first; empty when nothing is wrong."""
    findings = [*_size(snapshot), *_rows(snapshot), *_policies(snapshot), *_aliases(snapshot)]
    return tuple(sorted(findings, key=lambda finding: finding.level != ERROR))


def errors_of(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that forbid serving the catalogue."""
    return tuple(finding for finding in findings if finding.level == ERROR)


def _size(snapshot: Snapshot) -> Iterator[Finding]:
    rows = len(snapshot.tiers) + len(snapshot.providers) + len(snapshot.deployments)
    rows += sum(len(deployment.prices) for deployment in snapshot.deployments.values())
    rows += sum(1 + len(alias.routes) for alias in _all_aliases(snapshot))
    rows += sum(1 + len(policy.steps) for policy in _distinct_policies(snapshot))
    if rows > MOST_ROWS:
        yield Finding(
            ERROR, "catalogue", f"It has {rows:,} rows.", f"Remove some; the most is {MOST_ROWS:,}."
        )


def _rows(snapshot: Snapshot) -> Iterator[Finding]:
    for tier in snapshot.tiers.values():
        yield from tier_findings(tier)
    for provider in snapshot.providers.values():
        yield from provider_findings(provider)
    for deployment in snapshot.deployments.values():
        yield from deployment_findings(deployment)


def _distinct_policies(snapshot: Snapshot) -> list[TierPolicy]:
    distinct: list[TierPolicy] = []
    for policy in snapshot.policies.values():
        if policy not in distinct:
            distinct.append(policy)
    return distinct


def _policies(snapshot: Snapshot) -> Iterator[Finding]:
    policies = _distinct_policies(snapshot)
    names = Counter(name for policy in policies for name in (policy.name, *policy.synonyms))
    for policy in policies:
        subject = f"policy {policy.name}"
        for name in (policy.name, *policy.synonyms):
            if names[name] > 1:
                yield Finding(ERROR, subject, f"The name {name!r} is taken twice.", "Rename one of them.")
        yield from _steps(snapshot, policy, subject)
        if policy.price_ceiling is not None and not is_amount(policy.price_ceiling):
            yield Finding(
                ERROR, subject, "The price ceiling is not an amount.", "Use 0 or more, or leave it empty."
            )


def _steps(snapshot: Snapshot, policy: TierPolicy, subject: str) -> Iterator[Finding]:
    uses = Counter(step.tier for step in policy.steps)
    for tier, count in uses.items():
        if tier not in snapshot.tiers:
            yield Finding(
                ERROR, subject, f"A step names the unknown tier {tier!r}.", "Choose a tier that exists."
            )
        if count > 1:
            yield Finding(ERROR, subject, f"The tier {tier!r} has {count} steps.", "Keep one step per tier.")
    for step in policy.steps:
        if step.strategy not in STRATEGIES:
            advice = f"Use one of: {', '.join(STRATEGIES)}."
            yield Finding(ERROR, subject, f"The strategy {step.strategy!r} is unknown.", advice)


def _all_aliases(snapshot: Snapshot) -> tuple[Alias, ...]:
    return (*snapshot.aliases.values(), *snapshot.patterns)


def _aliases(snapshot: Snapshot) -> Iterator[Finding]:
    names = Counter(alias.name for alias in _all_aliases(snapshot))
    for name, count in names.items():
        if count > 1:
            yield Finding(ERROR, f"alias {name}", f"{count} aliases have this name.", "Rename or remove one.")
    for alias in _all_aliases(snapshot):
        subject = f"alias {alias.name}"
        yield from _alias_name(alias, subject)
        yield from _alias_routes(alias, subject)
        yield from _alias_policy(snapshot, alias, subject)
        yield from _alias_targets(snapshot, alias, subject)
        if not (alias.first_content_deadline > 0 and alias.total_deadline > 0):
            yield Finding(ERROR, subject, "A deadline is not a positive time.", "Give both in seconds.")


def _alias_name(alias: Alias, subject: str) -> Iterator[Finding]:
    if not alias.name.strip():
        yield Finding(ERROR, subject, "An alias has no name.", "Name it, or remove it.")
    if alias.name.count(STAR) > 1:
        yield Finding(ERROR, subject, "The pattern has more than one *.", "Keep one *.")


def _alias_routes(alias: Alias, subject: str) -> Iterator[Finding]:
    if not alias.routes:
        yield Finding(ERROR, subject, "It has no route.", "Add a route to a deployment, or remove the alias.")
    elif alias.enabled and not any(_is_on(route) for route in alias.routes):
        yield Finding(ERROR, subject, "None of its routes is enabled.", "Enable one, or disable the alias.")
    for slug, count in Counter(route.deployment.slug for route in alias.routes).items():
        if count > 1:
            yield Finding(WARNING, subject, f"{count} routes lead to {slug}.", "Keep one; it is tried once.")
    for route in alias.routes:
        if route.weight < 0:
            message = f"The route to {route.deployment.slug} has a negative weight."
            yield Finding(ERROR, subject, message, "Use 0 or more.")
        if STAR in route.deployment.model and STAR not in alias.name:
            message = f"{route.deployment.slug} takes its model from a pattern, and this name has no *."
            yield Finding(ERROR, subject, message, "Route a pattern to it, or name the upstream model.")


def _is_on(route: Route) -> bool:
    return route.enabled and route.deployment.enabled


def _alias_policy(snapshot: Snapshot, alias: Alias, subject: str) -> Iterator[Finding]:
    name = alias.policy or DEFAULT_POLICY
    if name in snapshot.policies:
        return
    if alias.policy:
        yield Finding(ERROR, subject, f"The default policy {name!r} is unknown.", "Choose one that exists.")
    else:
        advice = f"Give it a default policy, or add the policy {DEFAULT_POLICY}."
        yield Finding(ERROR, subject, f"It relies on the policy {name!r}, which does not exist.", advice)


def _alias_targets(snapshot: Snapshot, alias: Alias, subject: str) -> Iterator[Finding]:
    for kind, target in _targets(alias):
        if target not in snapshot.aliases:
            message = f"The {kind} target {target!r} is not an alias."
            yield Finding(ERROR, subject, message, "Choose an exact alias that exists, or leave it empty.")
    if _comes_back(snapshot, alias):
        yield Finding(ERROR, subject, "Its targets lead back to itself.", "Point one of them elsewhere.")


def _targets(alias: Alias) -> Iterator[tuple[str, str]]:
    if alias.mini_target:
        yield "mini", alias.mini_target
    if alias.standard_target:
        yield "standard", alias.standard_target


def _comes_back(snapshot: Snapshot, alias: Alias) -> bool:
    seen: set[str] = set()
    ahead = [target for _, target in _targets(alias)]
    while ahead:
        name = ahead.pop()
        if name == alias.name:
            return True
        if name not in seen and name in snapshot.aliases:
            ahead += [target for _, target in _targets(snapshot.aliases[name])]
        seen.add(name)
    return False
