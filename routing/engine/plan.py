"""The question the product stands on: who may answer this query, in which order, and why not the others.

The same function serves the request path, the explain page, the publish check and replays: it knows no
clock and no dice but the ones it is given.
"""

from routing.engine.health import Health
from routing.engine.order import order
from routing.engine.plan_values import Candidate, Plan, Rejection
from routing.engine.query import Query
from routing.engine.select import Selection, select
from routing.engine.snapshot import Snapshot

__all__ = ["Candidate", "Plan", "Rejection", "plan"]


def plan(snapshot: Snapshot, query: Query, health: Health, *, now: float, draw: float) -> Plan:
    """The deployments to try, in order, and a reason for each one left out.

    `now` is the clock of `health`, `draw` in [0, 1) decides weighted steps. Every route of the alias is
    answered for exactly once. Raises a RoutingError when the query cannot be planned at all.
    """
    selection = select(snapshot, query)
    candidates = selection.fixed
    if candidates is None:
        candidates = _ordered(selection, query, health, draw)
    if health.slow:
        candidates = _slow_ones_later(candidates, health, now)
    if not health.quiet:
        candidates = _as_of_now(candidates, health, now)
    return Plan(
        query.model, selection.alias, selection.policy, candidates, selection.ineligible, snapshot.number
    )


def _ordered(selection: Selection, query: Query, health: Health, draw: float) -> tuple[Candidate, ...]:
    candidates: list[Candidate] = []
    for group in selection.groups:
        choices = order(group.choices, group.strategy, query, health.first_content, draw)
        candidates += [choice.candidate for choice in choices]
    return tuple(candidates)


def _slow_ones_later(candidates: tuple[Candidate, ...], health: Health, now: float) -> tuple[Candidate, ...]:
    """What answers far slower than it used to comes behind the others of its tier; tiers keep their places."""
    by_pace = sorted(candidates, key=lambda candidate: health.is_slow(candidate.deployment, now))
    tiers: dict[str, list[Candidate]] = {}
    for candidate in reversed(by_pace):
        tiers.setdefault(candidate.deployment.tier.slug, []).append(candidate)
    return tuple(tiers[candidate.deployment.tier.slug].pop() for candidate in candidates)


def _as_of_now(candidates: tuple[Candidate, ...], health: Health, now: float) -> tuple[Candidate, ...]:
    """The candidates with their live reasons; when all would be skipped, the last chance is not."""
    live = tuple(_live(candidate, health, now) for candidate in candidates)
    if not all(candidate.skip for candidate in live):
        return live
    chance = health.last_chance((candidate.deployment for candidate in candidates), now)
    return tuple(
        plain if plain.deployment is chance else skipped
        for plain, skipped in zip(candidates, live, strict=True)
    )


def _live(candidate: Candidate, health: Health, now: float) -> Candidate:
    deployment = candidate.deployment
    reason, wait = health.skip_reason(deployment, now)
    held_for = health.held_for(deployment) if reason == "held" else ""
    return Candidate(deployment, reason, wait, held_for) if reason else candidate
