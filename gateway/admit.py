"""The one gate of every endpoint: what a caller may use per minute, at once, and of money.

Rates and requests at once are checked before the body is read, tokens and money once the plan is known. A refusal
consumes nothing. The arithmetic over all workers is the ledger's.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from accounts.callers import Caller
from accounts.ceilings import NO_CEILINGS, Ceilings
from accounts.ledger.allowance import Allowance
from accounts.ledger.ledger import Demand, Exceeded, Ledger, LedgerUnavailable, Reservation
from accounts.ledger.rules import MONEY, Rule, nano
from accounts.limits import CallerRules, rules_of
from gateway.cost_bounds import Bounds
from gateway.errors import BudgetSpent, Headers
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

    __slots__ = ("_entry", "_limits", "_rules", "_tiers", "_use")

    def __init__(self, limits: Limits, rules: CallerRules) -> None:
        self._limits, self._rules = limits, rules
        self._entry: Reservation | None = None
        self._use: Reservation | None = None
        self._tiers: dict[str, Reservation] = {}

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
            try:
                await self._set_aside(plan, bounds, alias, entry)
            except BudgetSpent as spent:
                plan = affordable(plan, bounds, spent)
                await self._set_aside(plan, bounds, alias, entry)
        if ceilings.tiers or ceilings.paid:
            plan = await self._within_ceilings(plan, bounds)
        if self._entry is not None:
            self._entry.settle(lambda rule: 1, REQUESTS)
        return plan

    async def _set_aside(self, plan: Plan, bounds: Bounds, alias: tuple[Rule, ...], entry: LogEntry) -> None:
        ordered = plan.ordered
        tokens, cost = bounds.tokens(ordered), bounds.cost(ordered)
        demands = [(rule, tokens) for rule in self._rules.tokens]
        demands += [(rule, cost) for rule in (*self._rules.money, *alias)]
        self._use = await self._limits.take(demands)
        entry.reservation = {"tokens": tokens, "nano_usd": cost}

    def settle(self, entry: LogEntry) -> None:
        """Replace what was set aside by what was used."""
        tokens = entry.input_tokens + entry.cached_tokens + entry.output_tokens
        cost = nano(entry.cost_usd) if entry.cost_usd is not None else 0

        def used(rule: Rule) -> int:
            return cost if rule.kind in MONEY else tokens

        if self._use is not None:
            self._use.settle(used)
        for slug, reservation in self._tiers.items():
            reservation.settle(lambda rule, slug=slug: cost if slug == entry.tier else 0)  # type: ignore[misc]

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
        reached: dict[str, BudgetSpent] = {}
        ordered = plan.ordered
        for tier, rules in self._capped(plan):
            cost = bounds.cost(each for each in ordered if each.tier.slug == tier.slug)
            try:
                self._tiers[tier.slug] = await self._limits.take([(rule, cost) for rule in rules])
            except BudgetSpent as spent:
                reached[tier.slug] = spent
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


def affordable(plan: Plan, bounds: Bounds, spent: BudgetSpent) -> Plan:
    """The plan with those deployments only that cost no more than what is left. Raises `spent` when none does."""
    rest = without(plan, lambda deployment: bounds.cost([deployment]) > spent.room)
    if not rest.candidates:
        raise spent
    return rest


def without(plan: Plan, is_left_out: Callable[[Deployment], bool]) -> Plan:
    """The plan without some deployments, and the reason said of each."""
    kept = tuple(each for each in plan.candidates if not is_left_out(each.deployment))
    left_out = tuple(
        Rejection(each.deployment, "budget_spent") for each in plan.candidates if is_left_out(each.deployment)
    )
    return replace(plan, candidates=kept, ineligible=plan.ineligible + left_out)
