"""Which routes of an alias may answer a query, and why not the others: all that live state does not decide.

The same questions come again and again, so the answers are kept in the snapshot's memo. What varies from
request to request enters the key exactly: the price rows in force as the number of those that have started,
and the tokens as the number of context windows they do not fit in.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from routing.engine.errors import ModelNotAllowed, UnknownPolicy, UnknownProvider
from routing.engine.order import SETTLED, Choice, rates_of, settle
from routing.engine.plan_values import Candidate, Rejection
from routing.engine.query import Query
from routing.engine.resolve import resolve
from routing.engine.snapshot import Alias, Deployment, Price, Route, Snapshot, TierPolicy

DEFAULT_POLICY = "auto"
MEMO_ENTRIES = 1_000
TRANSLATED = frozenset({"completions", "responses", "messages"})  # dialects that chat can stand in for
LONGEST_NAME = 200  # a pattern matches names of any length; longer ones are not worth remembering
# A deployment left out for one of these cannot be called here, whatever the request was about.
NOT_HERE = frozenset(
    {"disabled", "no_credential", "address_refused", "wire_unavailable", "tier_not_in_policy"}
)


@dataclass(frozen=True, slots=True)
class Group:
    """The eligible routes of one policy step, settled as far as the catalogue decides."""

    strategy: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """What the catalogue says to a query. `fixed` is the whole order when no live strategy is involved."""

    alias: Alias
    policy: TierPolicy
    groups: tuple[Group, ...]
    ineligible: tuple[Rejection, ...]
    fixed: tuple[Candidate, ...] | None


@dataclass(frozen=True, slots=True)
class Edges:
    """The moments and sizes at which a selection changes, sorted."""

    price_starts: tuple[float, ...]
    windows: tuple[int, ...]


def select(snapshot: Snapshot, query: Query) -> Selection:
    """The selection for the query; raises a RoutingError when the query cannot be planned at all."""
    edges = _edges(snapshot)
    key = (
        query.model,
        query.policy,
        query.provider,
        query.needs,
        query.dialect,
        query.native_only,
        query.grants,
        bisect_right(edges.price_starts, query.time),
        bisect_left(edges.windows, _tokens(query)),
    )
    known = snapshot.memo.get(key)
    if isinstance(known, Selection):
        return known
    selection = _select(snapshot, query)
    if len(query.model) <= LONGEST_NAME:
        _remember(snapshot, key, selection)
    return selection


def _select(snapshot: Snapshot, query: Query) -> Selection:
    alias = resolve(snapshot, query)
    policy = find_policy(snapshot, query, alias)
    eligible: list[Choice] = []
    ineligible: list[Rejection] = []
    for route in sorted(alias.routes, key=lambda route: route.position):
        price = route.deployment.price_at(query.time)
        refused = refusal(snapshot, query, policy, route, price)
        if refused is None:
            eligible.append(Choice(route, Candidate(route.deployment), rates_of(price)))
        else:
            ineligible.append(Rejection(route.deployment, *refused))
    _check_provider(snapshot, query, alias)
    last = None if eligible else _last_resort_for(snapshot, query, ineligible)
    if last is not None:
        return _answered_by(last, query, alias, policy, ineligible)
    groups = tuple(_groups(policy, eligible))
    return Selection(alias, policy, groups, tuple(ineligible), _fixed(groups))


def find_policy(snapshot: Snapshot, query: Query, alias: Alias) -> TierPolicy:
    """The policy the request names, else the alias's, else `auto`; raises when unknown or not granted."""
    name = query.policy or alias.policy or DEFAULT_POLICY
    policy = snapshot.policies.get(name)
    if policy is None:
        raise UnknownPolicy(name, tuple(sorted(snapshot.policies)))
    granted = query.grants.policies
    if granted is not None and granted.isdisjoint((policy.name, *policy.synonyms)):
        raise ModelNotAllowed(f"the policy {policy.name!r}")
    return policy


def refusal(
    snapshot: Snapshot, query: Query, policy: TierPolicy, route: Route, price: Price | None
) -> tuple[str, str] | None:
    """The first reason against a route, with its detail, or None.

    What cannot be called at all is said before what was not asked for, and that before what it cannot do.
    """
    deployment = route.deployment
    return (
        _not_callable(route)
        or _not_asked_for(query, policy, deployment)
        or _not_granted(snapshot, query, deployment)
        or _not_able(query, deployment)
        or _too_expensive(query, policy, price)
    )


def _not_callable(route: Route) -> tuple[str, str] | None:
    provider = route.deployment.provider
    if not route.enabled:
        return "disabled", "the route is off"
    if not route.deployment.enabled:
        return "disabled", "the deployment is off"
    if not provider.unready:
        return None
    return provider.unready, f"provider {provider.slug}{f': {provider.why}' if provider.why else ''}"


def _not_asked_for(query: Query, policy: TierPolicy, deployment: Deployment) -> tuple[str, str] | None:
    if query.provider is not None and not _is_named(query.provider, deployment):
        return "provider_filter", f"only {query.provider[:60]} was asked for"
    if policy.steps and all(step.tier != deployment.tier.slug for step in policy.steps):
        return "tier_not_in_policy", f"{policy.name} does not reach {deployment.tier.slug}"
    return None


def _not_granted(snapshot: Snapshot, query: Query, deployment: Deployment) -> tuple[str, str] | None:
    """A key whose highest tier is gone from the catalogue reaches nothing: a limit never widens by itself."""
    highest = query.grants.highest_tier
    if highest is None:
        return None
    tier = snapshot.tiers.get(highest)
    if tier is None or deployment.tier.rank > tier.rank:
        return "tier_not_allowed", f"the key reaches up to {highest}"
    return None


def _not_able(query: Query, deployment: Deployment) -> tuple[str, str] | None:
    missing = query.needs - deployment.capabilities
    if missing:
        return "capability", ", ".join(sorted(missing))
    if not is_spoken(query, deployment):
        return "capability", f"it does not speak {query.dialect}"
    window = deployment.context_window
    if window is not None and _tokens(query) > window:
        return "context_too_small", f"a window of {window} tokens"
    return None


def is_spoken(query: Query, deployment: Deployment) -> bool:
    """Whether the deployment can be asked: in the client's own dialect, or in chat where that is as good."""
    if query.dialect in deployment.dialects:
        return True
    return "chat" in deployment.dialects and not query.native_only and query.dialect in TRANSLATED


def _too_expensive(query: Query, policy: TierPolicy, price: Price | None) -> tuple[str, str] | None:
    ceiling = policy.price_ceiling
    if ceiling is not None and not _within(price, ceiling):
        return "price_ceiling", f"{policy.name} goes up to {ceiling} USD per million tokens"
    if query.grants.priced_only and rates_of(price) is None:
        return "unpriced", "the key has a money limit and the price is unknown"
    return None


def _within(price: Price | None, ceiling: Decimal) -> bool:
    if price is None or price.input is None or price.output is None:
        return False
    return price.input <= ceiling and price.output <= ceiling


def _check_provider(snapshot: Snapshot, query: Query, alias: Alias) -> None:
    """Raise when the provider header leaves nothing of the alias, not even the last resort."""
    if query.provider is None:
        return
    deployments = [route.deployment for route in alias.routes]
    named = [*deployments, snapshot.last_resort] if snapshot.last_resort else deployments
    if not any(_is_named(query.provider, deployment) for deployment in named):
        providers = [deployment.provider for deployment in deployments]
        names = {provider.slug for provider in providers} | {provider.upstream for provider in providers}
        raise UnknownProvider(query.provider, tuple(sorted(names)))


def _is_named(name: str, deployment: Deployment) -> bool:
    return name in (deployment.provider.slug, deployment.provider.upstream)


def _last_resort_for(snapshot: Snapshot, query: Query, ineligible: list[Rejection]) -> Deployment | None:
    """Only where nothing can be called here, or where the caller names it; a real refusal stays one."""
    last = snapshot.last_resort
    reasons = {rejection.reason for rejection in ineligible}
    if last is None or query.provider is None:
        return last if reasons <= NOT_HERE else None
    named = _is_named(query.provider, last)
    return last if named and reasons <= NOT_HERE | {"provider_filter"} else None


def _answered_by(
    last: Deployment, query: Query, alias: Alias, policy: TierPolicy, ineligible: list[Rejection]
) -> Selection:
    """The last resort as the only candidate; it must be callable and able like any other."""
    others = tuple(rejection for rejection in ineligible if rejection.deployment.slug != last.slug)
    route = Route(last, 1)
    refused = _not_callable(route) or _not_able(query, last)
    if refused is not None:
        return Selection(alias, policy, (), (*others, Rejection(last, *refused)), ())
    candidate = Candidate(last)
    choice = Choice(route, candidate, rates_of(last.price_at(query.time)))
    return Selection(alias, policy, (Group("listed", (choice,)),), others, (candidate,))


def _groups(policy: TierPolicy, eligible: list[Choice]) -> Iterable[Group]:
    """One group per step of the policy; a policy without steps walks the routes as listed."""
    if not policy.steps:
        yield Group("listed", settle(tuple(eligible), "listed"))
        return
    tiers: dict[str, list[Choice]] = {}
    for choice in eligible:
        tiers.setdefault(choice.route.deployment.tier.slug, []).append(choice)
    for step in policy.steps:
        choices = tuple(tiers.pop(step.tier, ()))
        yield Group(step.strategy, settle(choices, step.strategy))


def _fixed(groups: tuple[Group, ...]) -> tuple[Candidate, ...] | None:
    if any(group.strategy not in SETTLED and len(group.choices) > 1 for group in groups):
        return None
    return tuple(choice.candidate for group in groups for choice in group.choices)


def _tokens(query: Query) -> int:
    return query.input_tokens + (query.output_tokens or 0)


def _edges(snapshot: Snapshot) -> Edges:
    known = snapshot.memo.get(Edges)
    if isinstance(known, Edges):
        return known
    deployments = list(snapshot.deployments.values())
    deployments += [route.deployment for alias in _all_aliases(snapshot) for route in alias.routes]
    deployments += [snapshot.last_resort] if snapshot.last_resort else []
    starts = {price.starts for deployment in deployments for price in deployment.prices}
    windows = {d.context_window for d in deployments if d.context_window is not None}
    edges = Edges(tuple(sorted(starts)), tuple(sorted(windows)))
    _remember(snapshot, Edges, edges)
    return edges


def _all_aliases(snapshot: Snapshot) -> tuple[Alias, ...]:
    return (*snapshot.aliases.values(), *snapshot.patterns)


def _remember(snapshot: Snapshot, key: object, value: object) -> None:
    if len(snapshot.memo) >= MEMO_ENTRIES:
        snapshot.memo.clear()
    snapshot.memo[key] = value
