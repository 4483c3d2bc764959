"""The result of a replay as JSON that the page and the command show. Money is a decimal string, null is unknown."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gateway.narrative import dollars
from gateway.usage import Usage, price_usage
from rainymodel_site.console.what_if import NOBODY, Comparison, Move, Sum

MOST_ROWS = 100  # of aliases, keys and kinds of stranded requests
NOBODYS_TIER = "nobody"
Moved = tuple[Move, Sum]


@dataclass(slots=True)
class Costs:
    """USD on both sides, of those requests whose cost is known on both; `unknown` counts the others."""

    before: Decimal = Decimal(0)
    after: Decimal = Decimal(0)
    known: int = 0
    unknown: int = 0

    def as_json(self) -> dict[str, Any]:
        """With the difference."""
        if not self.known:
            return {"before": None, "after": None, "difference": None, "known": 0, "unknown": self.unknown}
        return {
            "before": money(self.before),
            "after": money(self.after),
            "difference": money(self.after - self.before),
            "known": self.known,
            "unknown": self.unknown,
        }


def result_of(comparison: Comparison, moment: float) -> dict[str, Any]:
    """All that the page shows; `moment` decides which prices are in force."""
    found = list(comparison.moves.items())
    tier = namer(comparison, lambda deployment: deployment.tier.slug)
    provider = namer(comparison, lambda deployment: deployment.provider.slug)
    stranded = sorted(comparison.stranded.items(), key=lambda item: -item[1])
    return {
        "requests": comparison.requests,
        "moved": sum(one.requests for move, one in found if move[2] != move[3]),
        "stranded": sum(comparison.stranded.values()),
        "stranded_before": sum(one.requests for move, one in found if move[2] == NOBODY),
        "rescued": sum(one.requests for move, one in found if move[2] == NOBODY != move[3]),
        "tiers": flows(found, tier),
        "providers": flows(found, provider),
        "cost": cost_of(found, comparison, moment).as_json(),
        "newly_stranded": [
            {"alias": alias, "needs": list(needs), "why": why, "requests": count}
            for (alias, needs, why), count in stranded[:MOST_ROWS]
        ],
        "aliases": grouped(found, comparison, moment, lambda move: move[0]),
        "keys": grouped(
            found, comparison, moment, lambda move: comparison.labels.get(move[1]) or "no key", key=True
        ),
    }


def namer(comparison: Comparison, name: Callable[[Any], str]) -> Callable[[bool, str], str]:
    """What a deployment's slug stands for on one of the sides: its tier, or its provider."""
    return lambda is_after, slug: (
        name(comparison.deployments[is_after, slug]) if slug != NOBODY else NOBODYS_TIER
    )


def flows(found: Iterable[Moved], name: Callable[[bool, str], str]) -> list[dict[str, Any]]:
    """How many requests go from where to where, what stays in place among them; the largest first."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for (_, _, before, after), one in found:
        counts[name(False, before), name(True, after)] += one.requests
    ranked = sorted(counts.items(), key=lambda item: (item[0][0] == item[0][1], -item[1], item[0]))
    return [{"from": pair[0], "to": pair[1], "requests": count} for pair, count in ranked]


def grouped(
    found: Iterable[Moved],
    comparison: Comparison,
    moment: float,
    name: Callable[[Move], str],
    *,
    key: bool = False,
) -> list[dict[str, Any]]:
    """Per alias or per key: requests, how many move or are stranded, and what it costs; most moved first."""
    groups: dict[Any, list[Moved]] = defaultdict(list)
    for move, one in found:
        groups[move[1] if key else move[0]].append((move, one))
    rows = [
        {
            "name": name(moved[0][0]),
            "requests": sum(one.requests for _, one in moved),
            "moved": sum(one.requests for move, one in moved if move[2] != move[3]),
            "stranded": sum(one.requests for move, one in moved if move[2] != NOBODY == move[3]),
            "cost": cost_of(moved, comparison, moment).as_json(),
        }
        for moved in groups.values()
    ]
    rows.sort(key=lambda row: (-row["moved"], -row["requests"], row["name"]))  # type: ignore[operator]
    return rows[:MOST_ROWS]


def cost_of(found: Iterable[Moved], comparison: Comparison, moment: float) -> Costs:
    """What the tokens that were really used would cost on both sides."""
    costs = Costs()
    for (_, _, before, after), one in found:
        costs.unknown += one.requests - one.counted
        if not one.counted:
            continue
        old, new = (
            amount(comparison, is_after, slug, one, moment)
            for is_after, slug in ((False, before), (True, after))
        )
        if old is None or new is None:
            costs.unknown += one.counted
        else:
            costs.before, costs.after = costs.before + old, costs.after + new
            costs.known += one.counted
    return costs


def amount(comparison: Comparison, is_after: bool, slug: str, one: Sum, moment: float) -> Decimal | None:
    """USD of so many tokens at a deployment; None when its price is unknown, and when nobody would answer."""
    deployment = comparison.deployments.get((is_after, slug))
    if deployment is None:
        return None
    return price_usage(deployment.price_at(moment), Usage(one.input, one.cached, one.output))


def money(value: Decimal) -> str:
    """USD as a decimal text with no more digits than say something: `0`, `0.00005`, `-1234.50`."""
    text = dollars(abs(value)).removeprefix("$").replace(",", "")
    return f"-{text}" if value < 0 else text
