"""What a request may use at most, before anybody has answered it."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil

from routing.engine.snapshot import Deployment

ASSUMED_OUTPUT = 4096  # tokens, where the client states no limit and the model's own is higher or unknown
NANO_PER_MILLIONTH = 1000  # prices are US dollars per million tokens
MARGIN = 4  # the input estimate may be short by a quarter: text with few spaces, or in other scripts


@dataclass(frozen=True, slots=True)
class Bounds:
    """One request: the estimate of its input, the client's limit of output, and when it was asked (prices change)."""

    input_tokens: int
    max_tokens: int | None
    time: float

    @property
    def input(self) -> int:
        """The estimate and a quarter."""
        return self.input_tokens + -(-self.input_tokens // MARGIN)

    def output(self, deployment: Deployment) -> int:
        """What the client allows, else the model's own limit, at most ASSUMED_OUTPUT."""
        if self.max_tokens is not None:
            return self.max_tokens
        return min(deployment.output_limit or ASSUMED_OUTPUT, ASSUMED_OUTPUT)

    def tokens(self, deployments: Iterable[Deployment]) -> int:
        """Input, and the longest answer that any of the deployments may write."""
        return self.input + max(map(self.output, deployments), default=0)

    def cost(self, deployments: Iterable[Deployment]) -> int:
        """Billionths of a US dollar at the worst price among the deployments; an unknown price counts as nothing."""
        return max(map(self._cost, deployments), default=0)

    def _cost(self, deployment: Deployment) -> int:
        price = deployment.price_at(self.time)
        if price is None:
            return 0
        # A bound that is rounded up may be computed in floats; what was used is settled exactly.
        dollars = self.input * float(price.input or 0) + self.output(deployment) * float(price.output or 0)
        return ceil(dollars * NANO_PER_MILLIONTH)
