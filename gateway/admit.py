"""The one gate of every endpoint: what a caller may use per minute, at once, and of money.

Rates and requests at once are checked before the body is read, tokens and money once the plan is known. A refusal
consumes nothing. The arithmetic over all workers is the ledger's.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from types import TracebackType
from typing import Any, Self

from accounts.callers import Caller
from accounts.ceilings import NO_CEILINGS, Ceilings
from accounts.ledger.allowance import Allowance
from accounts.ledger.ledger import Demand, Exceeded, Ledger, LedgerUnavailable, Reservation
from accounts.ledger.lost import Hold, holds_of
from accounts.ledger.rules import MONEY, NANO, Rule, nano
from accounts.limits import CallerRules, rules_of
from gateway.cost_bounds import Bounds
from gateway.errors import BudgetSpent, Headers, Unavailable
from gateway.limit_words import not_checked, numbers, refusal
from gateway.record import LogEntry
from routing.engine.plan import Plan, Rejection
from routing.engine.snapshot import Deployment, Tier

REMEMBERED = 50_000
REQUESTS = frozenset({"requests"})


class Limits:
    """All callers' limits, and the ceilings of aliases and tiers."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.ceilings: Ceilings = NO_CEILINGS
        self.is_stale = True  # whether the ceilings are to be read again
        self._rules: dict[str, tuple[Caller, CallerRules]] = {}

    def admit(self, caller: Caller) -> "Ticket":
        """One request of this caller, for an `async with` block. Entering raises LimitReached or Unavailable."""
        return Ticket(self, self.rules_of(caller))

    def rules_of(self, caller: Caller) -> CallerRules:
        """The caller's rules, made once for each state of the key."""
        known = self._rules.get(caller.key_id)
        if known is not None and known[0] is caller:
            return known[1]
        if len(self._rules) >= REMEMBERED:
            self._rules.clear()
        rules = rules_of(caller)
        self._rules[caller.key_id] = (caller, rules)
        return rules

    async def take(self, demands: Sequence[Demand]) -> Reservation:
        """Reserve all of it. Raises LimitReached, BudgetSpent or Unavailable."""
        try:
            return self.ledger.try_reserve(demands) or await self.ledger.reserve(demands)
        except Exceeded as exceeded:
            raise refusal(exceeded) from None
        except LedgerUnavailable:
            raise not_checked() from None


class Ticket:
    """One admitted request: what it holds, until it is settled."""

    __slots__ = ("_bounds", "_entry", "_limits", "_plan", "_rules", "_tiers", "_use")

    def __init__(self, limits: Limits, rules: CallerRules) -> None:
        self._limits, self._rules = limits, rules
        self._entry: Reservation | None = None
        self._use: Reservation | None = None
        self._tiers: dict[str, Reservation] = {}
        self._plan: Plan | None = None
        self._bounds: Bounds | None = None

    async def __aenter__(self) -> Self:
        self._entry = await self._limits.take([(rule, 1) for rule in self._rules.entry])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Whatever was not settled by its use is free again; the request itself counts, unless a limit refused it."""
        if self._use is not None:
            self._use.release()
        for reservation in self._tiers.values():
            reservation.release()
        if self._entry is not None:
            counts = 0 if getattr(error, "state", "") == "refused" else 1
            self._entry.settle(lambda rule: counts)

    async def reserve(self, plan: Plan, bounds: Bounds, entry: LogEntry) -> Plan:
        """Set aside what the request may use at most; the plan without what the caller or a tier cannot afford.

        Raises LimitReached, BudgetSpent or Unavailable.
        """
        rules, ceilings = self._rules, self._limits.ceilings
        alias = ceilings.for_alias(plan.alias.name)
        if rules.tokens or rules.money or alias:
            plan = await self._affordable(plan, bounds, alias, entry)
        if ceilings.tiers or ceilings.paid:
            plan = await self._within_ceilings(plan, bounds)
        if self._entry is not None:
            self._entry.settle(lambda rule: 1, REQUESTS)
        self._plan, self._bounds = plan, bounds
        return plan

    async def _affordable(self, plan: Plan, bounds: Bounds, alias: tuple[Rule, ...], entry: LogEntry) -> Plan:
        """Set aside for the plan, or for what of it every budget covers: each that does not leaves out the dearest."""
        while True:
            try:
                await self._set_aside(plan, bounds, alias, entry)
            except BudgetSpent as spent:
                plan = affordable(plan, bounds, spent)
            else:
                return plan

    async def _set_aside(self, plan: Plan, bounds: Bounds, alias: tuple[Rule, ...], entry: LogEntry) -> None:
        ordered = plan.ordered
        tokens, cost = bounds.tokens(ordered), bounds.cost(ordered)
        demands = [(rule, tokens) for rule in self._rules.tokens]
        demands += [(rule, cost) for rule in (*self._rules.money, *alias)]
        self._use = await self._limits.take(demands)
        entry.reservation = {"tokens": tokens, "nano_usd": cost}

    def holds(self) -> list[Hold]:
        """What is set aside of tokens and money, as the journal records it."""
        if self._use is None and not self._tiers:
            return []
        return holds_of(each for each in (self._use, *self._tiers.values()) if each is not None)

    def settle(self, entry: LogEntry) -> None:
        """Replace what was set aside by what was used, or may have been used where nobody will ever know."""
        tokens = entry.input_tokens + entry.cached_tokens + entry.output_tokens
        cost, tier = nano(entry.cost_usd) if entry.cost_usd is not None else 0, entry.tier
        left = self._left(entry)
        if left is not None and self._bounds is not None:
            bounds = self._bounds.input_alone() if entry.stream else self._bounds
            tokens, cost, tier = bounds.tokens([left]), bounds.cost([left]), left.tier.slug
            if bounds.is_priced(left):
                entry.cost_usd, entry.estimated = Decimal(cost) / NANO, True

        costs = given_up(entry.attempts if left is None else entry.attempts[:-1])
        costs[tier] = costs.get(tier, 0) + cost
        money = sum(costs.values())
        if self._use is not None:
            self._use.settle(lambda rule: money if rule.kind in MONEY else tokens)
        for slug, reservation in self._tiers.items():
            reservation.settle(lambda rule, slug=slug: costs.get(slug, 0))  # type: ignore[misc]

    def _left(self, entry: LogEntry) -> Deployment | None:
        """Whom the client left, or gave too little time, before a first word came back.

        It may bill for the request all the same: all of an answer in one piece, the input of a stream, which ends
        with its connection.
        """
        if self._plan is None or not entry.attempts or entry.estimated or entry.usage_raw is not None:
            return None
        last = entry.attempts[-1]
        word = last.get("word")
        if word != "cancelled" and not (word == "timeout" and entry.deadline_ms is not None):
            return None
        asked = (each.deployment for each in self._plan.candidates)
        return next((each for each in asked if each.slug == last.get("deployment")), None)

    def headers(self) -> Headers:
        """`x-ratelimit-*` as OpenAI sends them, of the key's or the account's limit, whichever is nearer."""
        told: Headers = ()
        for kind, rules in (("requests", self._rules.entry), ("tokens", self._rules.tokens)):
            nearest: Allowance | None = None
            for rule in rules:
                if rule.kind == kind:
                    allowance = self._limits.ledger.allowance(rule)
                    if nearest is None or allowance.remaining < nearest.remaining:
                        nearest = allowance
            if nearest is not None:
                told += numbers(kind, nearest.rule.limit, nearest.remaining, 60)
        return told

    async def _within_ceilings(self, plan: Plan, bounds: Bounds) -> Plan:
        """Reserve in each tier what the request may cost there; a tier without room is left out of the plan."""
        reached: dict[str, BudgetSpent | Unavailable] = {}
        ordered = plan.ordered
        for tier, rules in self._capped(plan):
            cost = bounds.cost(each for each in ordered if each.tier.slug == tier.slug)
            try:
                self._tiers[tier.slug] = await self._limits.take([(rule, cost) for rule in rules])
            except (BudgetSpent, Unavailable) as problem:
                reached[tier.slug] = problem
        if not reached:
            return plan
        rest = without(plan, lambda deployment: deployment.tier.slug in reached)
        if not rest.candidates:
            raise next(iter(reached.values()))
        return rest

    def _capped(self, plan: Plan) -> list[tuple[Tier, tuple[Rule, ...]]]:
        tiers = dict.fromkeys(candidate.deployment.tier for candidate in plan.candidates)
        capped = ((tier, self._limits.ceilings.for_tier(tier.slug, tier.billing)) for tier in tiers)
        return [(tier, rules) for tier, rules in capped if rules]


def given_up(attempts: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Tier → what attempts that were given up may cost all the same, in billionths of a US dollar."""
    costs: dict[str, int] = {}
    for attempt in attempts:
        if billed := attempt.get("maybe_billed"):
            costs[attempt["tier"]] = costs.get(attempt["tier"], 0) + billed
    return costs


def affordable(plan: Plan, bounds: Bounds, spent: BudgetSpent) -> Plan:
    """The plan with those deployments only that cost no more than what is left.

    Raises `spent` when none does, and when all do: then the room is gone by now.
    """
    rest = without(plan, lambda deployment: bounds.cost([deployment]) > spent.room)
    if not rest.candidates or len(rest.candidates) == len(plan.candidates):
        raise spent
    return rest


def without(plan: Plan, is_left_out: Callable[[Deployment], bool]) -> Plan:
    """The plan without some deployments, and the reason said of each."""
    kept = tuple(each for each in plan.candidates if not is_left_out(each.deployment))
    left_out = tuple(
        Rejection(each.deployment, "budget_spent") for each in plan.candidates if is_left_out(each.deployment)
    )
    return replace(plan, candidates=kept, ineligible=plan.ineligible + left_out)
