"""What the dearest tier costs today, to compare with."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from routing.models import Price, Tier

MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class DearPrice:
    """A deployment's price in force, USD per million tokens."""

    deployment: str
    input: Decimal
    cached_input: Decimal
    output: Decimal

    def cost(self, input: int, cached: int, output: int) -> Decimal:
        """What so many tokens (disjoint) cost."""
        return (self.input * input + self.cached_input * cached + self.output * output) / MILLION


def dearest_tier() -> str:
    """The tier with the highest rank; empty when there is none."""
    return Tier.objects.order_by("-rank", "slug").values_list("slug", flat=True).first() or ""


def prices_of(tier: str) -> list[DearPrice]:
    """The price in force of each enabled deployment of a tier, where it is known; cached tokens at most like others."""
    wanted = Price.objects.select_related("deployment").filter(
        deployment__tier__slug=tier, deployment__enabled=True, starts__lte=datetime.now(UTC)
    )
    current = {row.deployment_id: row for row in wanted.order_by("starts")}
    return [
        DearPrice(
            row.deployment.slug,
            row.input,
            row.input if row.cached_input is None else row.cached_input,
            row.output,
        )
        for row in current.values()
        if row.input is not None and row.output is not None
    ]
