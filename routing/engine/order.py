"""The strategies: in which order the deployments of one policy step are tried.

Every strategy returns each choice exactly once; ties keep the routes' positions.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from routing.engine.plan_values import Candidate
from routing.engine.query import Query
from routing.engine.snapshot import Price, Route

USUAL_OUTPUT = 500
NANO = 10**9
SETTLED = frozenset({"listed", "best"})  # these depend on the catalogue alone


@dataclass(frozen=True, slots=True)
class Choice:
    """An eligible route, with what ordering needs. `rates` are nano-USD per million tokens, input and output.

    `candidate` is made once, for every plan in which nothing live speaks against it.
    """

    route: Route
    candidate: Candidate
    rates: tuple[int, int] | None


def rates_of(price: Price | None) -> tuple[int, int] | None:
    """Whole numbers, so that equal costs compare equal; None when one of the two prices is unknown."""
    if price is None or price.input is None or price.output is None:
        return None
    return int(price.input * NANO), int(price.output * NANO)


def settle(choices: tuple[Choice, ...], strategy: str) -> tuple[Choice, ...]:
    """What the catalogue alone decides: by position, and for `best` by quality first."""
    listed = sorted(choices, key=lambda choice: choice.route.position)
    if strategy == "best":
        listed.sort(key=lambda choice: -choice.route.deployment.quality)
    return tuple(listed)


def order(
    choices: tuple[Choice, ...],
    strategy: str,
    query: Query,
    first_content: Mapping[str, float],
    draw: float,
) -> tuple[Choice, ...]:
    """Settled choices in the order of the strategy, for this request at this moment."""
    if len(choices) < 2 or strategy in SETTLED:
        return choices
    if strategy == "cheapest":
        return cheapest(choices, query)
    if strategy == "fastest":
        return fastest(choices, first_content)
    if strategy == "weighted":
        return weighted(choices, draw)
    raise ValueError(f"unknown strategy {strategy!r}")


def cheapest(choices: tuple[Choice, ...], query: Query) -> tuple[Choice, ...]:
    """By estimated input × input price + expected output × output price; unknown prices come last.

    Expected output = min(the caller's maximum, or 500 when none was given; the deployment's output limit).
    """
    wanted = USUAL_OUTPUT if query.output_tokens is None else query.output_tokens
    tokens = query.input_tokens

    def cost(choice: Choice) -> float:
        if choice.rates is None:
            return float("inf")
        limit = choice.route.deployment.output_limit
        expected = wanted if limit is None or wanted < limit else limit
        return tokens * choice.rates[0] + expected * choice.rates[1]

    return tuple(sorted(choices, key=cost))


def fastest(choices: tuple[Choice, ...], first_content: Mapping[str, float]) -> tuple[Choice, ...]:
    """By smoothed time to first content; what was never measured comes first, so that it gets measured."""
    return tuple(sorted(choices, key=lambda choice: first_content.get(choice.route.deployment.slug, -1.0)))


def weighted(choices: tuple[Choice, ...], draw: float) -> tuple[Choice, ...]:
    """A weighted shuffle: each choice draws u in [0, 1), the largest u^(1 / weight) comes first.

    So the first place goes to each in proportion to its weight, and so on down the list. A weight of
    zero or less comes last, by position.
    """
    heavy = [choice for choice in choices if choice.route.weight > 0]
    idle = [choice for choice in choices if choice.route.weight <= 0]
    lots = {id(choice): u ** (1 / choice.route.weight) for choice, u in zip(heavy, draws(draw), strict=False)}
    heavy.sort(key=lambda choice: -lots[id(choice)])
    return tuple(heavy + idle)


def draws(draw: float) -> Iterator[float]:
    """An endless series in [0, 1) made from one draw.

    x → (6364136223846793005 x + 1442695040888963407) mod 2^64; x starts as the draw × 2^64, and
    each element is the top 53 bits of the next x (Knuth's MMIX generator).
    """
    state = int(draw * 2**64)
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield (state >> 11) / 2**53
