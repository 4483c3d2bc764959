"""What it would have cost to have everything answered by a premium model."""

from dataclasses import dataclass
from decimal import Decimal

from gateway.traffic.figures import together
from gateway.traffic.reading import by
from gateway.traffic.window import Window
from routing.dear_prices import dearest_tier, prices_of


@dataclass(frozen=True, slots=True)
class Saved:
    """US dollars for what other tiers than `tier` answered: the known cost, and that of `model`, a deployment.

    `model` is the cheapest of the tier for these tokens at today's prices, so that `saved_usd` is the least that was
    saved. None: no price of the tier is known. `unpriced` requests have no known cost and count as if they cost none.
    """

    tier: str
    model: str | None
    cost_usd: Decimal
    instead_usd: Decimal | None
    unpriced: int

    @property
    def saved_usd(self) -> Decimal | None:
        """The difference; below zero when the premium model had been cheaper."""
        return None if self.instead_usd is None else self.instead_usd - self.cost_usd


def saved(window: Window) -> Saved:
    """What was saved against having asked the dearest tier for everything."""
    tier = dearest_tier()
    used = together(group.figures for group in by(window, "tier") if group.names[0] not in ("", tier))
    tokens = used.input_tokens, used.cached_tokens, used.output_tokens
    costs = {price.deployment: price.cost(*tokens) for price in prices_of(tier)}
    model = min(costs, key=lambda slug: (costs[slug], slug), default=None)
    return Saved(tier, model, used.cost_usd, None if model is None else costs[model], used.unpriced)
