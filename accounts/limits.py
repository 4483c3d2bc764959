"""From what a caller is allowed to the rules of the ledger."""

from dataclasses import dataclass

from accounts.caller import Allowed, Caller
from accounts.ledger.rules import Kind, Rule, nano


@dataclass(frozen=True, slots=True)
class CallerRules:
    """What is checked when a request arrives, and what once its plan is known."""

    entry: tuple[Rule, ...]
    tokens: tuple[Rule, ...]
    money: tuple[Rule, ...]


def rules_of(caller: Caller) -> CallerRules:
    """The rules of the key and of its owner, with the same names in every worker and after every roll of the key."""
    own = rules_for(f"key:{caller.limited_as or caller.key_id}", caller.allowed, "API key")
    owners = rules_for(f"user:{caller.owner_id}", caller.account, "account") if caller.owner_id else ()
    rules = (*own, *owners)
    return CallerRules(
        entry=tuple(rule for rule in rules if rule.kind in ("requests", "running")),
        tokens=tuple(rule for rule in rules if rule.kind == "tokens"),
        money=tuple(rule for rule in rules if rule.kind in ("day", "month")),
    )


def rules_for(subject: str, allowed: Allowed, holder: str) -> tuple[Rule, ...]:
    """One rule for each limit that is set."""
    limits: tuple[tuple[Kind, int | None], ...] = (
        ("requests", allowed.requests_per_minute),
        ("running", allowed.concurrent_requests),
        ("tokens", allowed.tokens_per_minute),
        ("day", None if allowed.usd_per_day is None else nano(allowed.usd_per_day)),
        ("month", None if allowed.usd_per_month is None else nano(allowed.usd_per_month)),
    )
    return tuple(Rule(subject, kind, limit, holder) for kind, limit in limits if limit is not None)
