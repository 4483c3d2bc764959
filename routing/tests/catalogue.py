"""Small builders for catalogues in tests, and the starting catalogue with plausible prices.

SUN = deployment("sun")
CATALOGUE = snapshot(alias("rainymodel/auto", SUN, deployment("rain", tier=DIRECT, price=("1", "2"))))
"""

from decimal import Decimal
from typing import Any

from routing.engine.plan import Plan
from routing.engine.snapshot import (
    Alias,
    Deployment,
    Price,
    Provider,
    Route,
    Snapshot,
    Step,
    Tier,
    TierPolicy,
)

FREE = Tier("free", "Free", "free", 1)
INTERNAL = Tier("internal", "Internal", "self_hosted", 2)
DIRECT = Tier("direct", "Direct", "paid", 3)
PREMIUM = Tier("premium", "Premium", "paid", 4)
TIERS = (FREE, INTERNAL, DIRECT, PREMIUM)


def price_row(input_price: str | None, output_price: str | None, *, starts: float = 0.0) -> Price:
    """USD per million tokens, as text; None is unknown."""
    amounts = [None if text is None else Decimal(text) for text in (input_price, output_price)]
    return Price(starts, amounts[0], None, amounts[1])


def provider(slug: str, **fields: Any) -> Provider:
    """A provider that can be called; its label is its slug unless said otherwise."""
    known = {"upstream": slug, "base_url": f"https://{slug}.example.com/v1"}
    return Provider(**(known | fields), slug=slug)


def deployment(
    slug: str,
    *,
    at: Provider | None = None,
    tier: Tier = FREE,
    model: str | None = None,
    price: tuple[str | None, str | None] | None = ("0", "0"),
    **fields: Any,
) -> Deployment:
    """At a provider of its own, serving a model of its own, for nothing, unless said otherwise."""
    fields.setdefault("prices", () if price is None else (price_row(*price),))
    return Deployment(slug, at or provider(slug), model or f"{slug}-model", tier, **fields)


def alias(name: str, *deployments: Deployment, **fields: Any) -> Alias:
    """An alias whose routes stand in the order given."""
    routes = tuple(Route(one, position) for position, one in enumerate(deployments, start=1))
    return Alias(name, routes, **fields)


def policy(name: str, *steps: str, **fields: Any) -> TierPolicy:
    """Steps are written `tier` or `tier:strategy`."""
    return TierPolicy(name, tuple(Step(*step.split(":")) for step in steps), **fields)


POLICIES = (
    policy("auto", "free", "internal", "direct:cheapest", "premium", synonyms=("default",)),
    policy("uncensored", "internal", "free", "direct:cheapest", "premium"),
    policy("premium", "direct:best", "premium", "free", "internal"),
    policy("free", "free"),
)


def snapshot(
    *aliases: Alias,
    policies: tuple[TierPolicy, ...] = POLICIES,
    deployments: tuple[Deployment, ...] = (),
    last_resort: Deployment | None = None,
    number: int = 1,
) -> Snapshot:
    """A catalogue of these aliases and what they lead to; `deployments` are reached by direct calls only."""
    everything = [*(route.deployment for one in aliases for route in one.routes), *deployments]
    patterns = [one for one in aliases if "*" in one.name]
    return Snapshot(
        number=number,
        tiers={tier.slug: tier for tier in TIERS},
        providers={one.provider.slug: one.provider for one in everything},
        deployments={one.slug: one for one in everything},
        aliases={one.name: one for one in aliases if "*" not in one.name},
        patterns=tuple(sorted(patterns, key=lambda one: (-len(one.name), one.name))),
        policies={name: one for one in policies for name in (one.name, *one.synonyms)},
        last_resort=last_resort,
    )


def names(plan: Plan) -> list[str]:
    """The slugs of what a plan would try, in order."""
    return [one.slug for one in plan.ordered]


def reasons(plan: Plan) -> dict[str, str]:
    """Why each of the others is left out."""
    return {one.deployment.slug: one.reason for one in plan.rejected}
