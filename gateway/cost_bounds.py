"""What a request may use at most, before anybody has answered it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

from gateway.dialects.dialect import ModelRequest
from routing.engine.snapshot import Deployment, Price

ASSUMED_OUTPUT = 4096  # tokens, where the client states no limit and the model's own is higher or unknown
NANO_PER_MILLIONTH = 1000  # prices are US dollars per million tokens
MOST_PRICES = 10_000  # remembered
MARGIN = 4  # the input estimate may be short by a quarter: text with few spaces, or in other scripts


@dataclass(frozen=True, slots=True)
class Bounds:
    """One request: the estimate of its input, the client's limit of each answer's output, when it was asked (prices
    change), and how many answers it asks for (embeddings: none that is written).
    """

    input_tokens: int
    max_tokens: int | None
    time: float
    answers: int = 1

    @property
    def input(self) -> int:
        """The estimate and a quarter."""
        return self.input_tokens + -(-self.input_tokens // MARGIN)

    def output(self, deployment: Deployment) -> int:
        """All answers together: what the client allows, else the model's own limit, at most ASSUMED_OUTPUT."""
        if self.max_tokens is not None:
            return self.max_tokens * self.answers
        return min(deployment.output_limit or ASSUMED_OUTPUT, ASSUMED_OUTPUT) * self.answers

    def tokens(self, deployments: Iterable[Deployment]) -> int:
        """Input, and the longest answer that any of the deployments may write."""
        return self.input + max(map(self.output, deployments), default=0)

    def input_alone(self) -> "Bounds":
        """The same request if nothing was written to it."""
        return replace(self, answers=0)

    def cost(self, deployments: Iterable[Deployment]) -> int:
        """Billionths of a US dollar at the worst price among the deployments; an unknown price counts as nothing."""
        return max(map(self._cost, deployments), default=0)

    def is_priced(self, deployment: Deployment) -> bool:
        """Whether its cost can be known."""
        price = deployment.price_at(self.time)
        return price is not None and price.input is not None and price.output is not None

    def _cost(self, deployment: Deployment) -> int:
        price = deployment.price_at(self.time)
        if price is None:
            return 0
        # A bound that is rounded up may be computed in floats; what was used is settled exactly.
        _, of_input, of_output = worst_rates(price)
        return ceil((self.input * of_input + self.output(deployment) * of_output) * NANO_PER_MILLIONTH)


_rates: dict[int, tuple[Price, float, float]] = {}


def worst_rates(price: Price) -> tuple[Price, float, float]:
    """A price, its dearest input and its output as floats, made once for each price; 0 where unknown."""
    known = _rates.get(id(price))
    if known is None or known[0] is not price:
        if len(_rates) >= MOST_PRICES:
            _rates.clear()
        rate = max(float(price.input or 0), float(price.cached_input or 0))
        known = _rates[id(price)] = (price, rate, float(price.output or 0))
    return known


def bounds_of(request: ModelRequest, time: float) -> Bounds:
    """What a request may use at most; it is asked at `time`, in seconds since 1970."""
    return Bounds(request.input_tokens, most_tokens(request), time, answers_of(request))


def most_tokens(request: ModelRequest) -> int | None:
    """The client's limit; where it states it under both of the field's names, upstreams differ in which they heed."""
    if request.dialect != "chat":
        return request.max_tokens
    newer: int | None = request.payload.get("max_completion_tokens")
    older: int | None = request.payload.get("max_tokens")
    if newer is None or older is None:
        return older if newer is None else newer
    return max(newer, older)


def answers_of(request: ModelRequest) -> int:
    """How many answers are written: `n` of them, or the `best_of` that they are chosen from, to each prompt."""
    payload = request.payload
    if request.dialect == "embeddings":
        return 0
    return max(whole(payload.get("n")), whole(payload.get("best_of"))) * prompts_in(payload.get("prompt"))


def prompts_in(prompt: Any) -> int:
    """One, unless a text completion has a list of texts, or of lists of tokens."""
    several = isinstance(prompt, list) and bool(prompt) and isinstance(prompt[0], str | list)
    return len(prompt) if several else 1


def whole(value: Any) -> int:
    """A number of answers; 1 where none is stated."""
    return value if type(value) is int and value > 0 else 1
