"""Whether a deployment answers as fast as it used to: the times to first content, lately and for a day.

The base is the 95th percentile of its own past, from one answer a second at most, each counting half as much
after a day. Lately means the last 20 answers: when their 95th percentile is many times the base, it is slow.
While answers come as fast as ever, a Pace changes once a second; times are seconds on the caller's clock.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from routing.engine.snapshot import Deployment

MANY_TIMES = 5.0
UNNOTICED = 0.5  # seconds; nobody is skipped for being slower than that
ENOUGH = 20  # answers before there is a base at all
HALF_LIFE = 86_400.0
SAMPLE_EVERY = 1.0
LATELY = (1 << 20) - 1
TOO_MANY = 2  # the 95th percentile of 20, by nearest rank, is the second largest
IN_A_ROW = 0b11  # so many of the newest must be fast again
EDGES: tuple[float, ...] = tuple(
    0.001 * 2.0 ** (step / 4) for step in range(80)
)  # 1 ms to 15 min, each a fifth more
PAUSE = 60.0  # seconds in the last place before it is tried in its own again
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Pace:
    """One deployment's times to first content. `about` is what they were measured at: its access and its model.

    `weights` counts past answers by the number of their edge, `limit` is what a slow answer exceeds, `lately`
    holds a bit for each of the last 20 answers, the newest lowest, 1 for a slow one.
    """

    about: tuple[str, str] = ("", "")
    weights: Mapping[int, float] = field(default_factory=dict)
    samples: int = 0
    since: float = 0.0
    sample_at: float = 0.0
    limit: float = NEVER
    lately: int = 0

    def after(self, seconds: float, now: float) -> "Pace":
        """The pace once an answer took so long; `self` when nothing has changed."""
        due = now >= self.sample_at or self.samples < ENOUGH
        slow = seconds > self.limit
        if not (due or slow or self.lately):
            return self
        lately = (self.lately << 1 | slow) & LATELY
        return _sampled(self, seconds, now, lately) if due else replace(self, lately=lately)

    @property
    def slow(self) -> bool:
        """True when the last answers were many times slower than its own past."""
        return self.lately.bit_count() >= TOO_MANY

    @property
    def fast_again(self) -> bool:
        """True when the newest answers were as fast as ever."""
        return not self.lately & IN_A_ROW


def about(deployment: Deployment) -> tuple[str, str]:
    """What a pace is measured at: with another access or model it says nothing."""
    return deployment.provider.access, deployment.model


def marked(pace: Pace, slug: str, slow: Mapping[str, float], now: float) -> tuple[Pace, Mapping[str, float]]:
    """The pace after its newest answer, and the deployments that lost their place with the end of each pause.

    Two slow answers of twenty cost the place; every further one starts the pause anew, two fast ones in a row
    end it for good, and one fast one ends it for the next request.
    """
    if slug not in slow:
        return pace, {**slow, slug: now + PAUSE} if pace.slow else slow
    if pace.lately & 1:
        return pace, {**slow, slug: now + PAUSE}
    if pace.fast_again:
        return replace(pace, lately=0), {name: until for name, until in slow.items() if name != slug}
    return pace, {**slow, slug: min(slow[slug], now)}


def _sampled(pace: Pace, seconds: float, now: float, lately: int) -> Pace:
    """The answer becomes part of the base. Newer ones weigh more, which is the same as older ones fading."""
    since = pace.since if pace.samples else now
    edge = bisect_left(EDGES, seconds)
    weight = 2.0 ** min((now - since) / HALF_LIFE, 1_000.0)
    weights = {**pace.weights, edge: pace.weights.get(edge, 0.0) + weight}
    samples = pace.samples + 1
    limit = max(UNNOTICED, MANY_TIMES * percentile_95(weights)) if samples >= ENOUGH else NEVER
    return Pace(pace.about, weights, samples, since, now + SAMPLE_EVERY, limit, lately)


def percentile_95(weights: Mapping[int, float]) -> float:
    """Seconds that 95 of 100 weighted answers did not exceed, up to the next edge."""
    above = sum(weights.values()) * 0.05
    for edge in sorted(weights, reverse=True):
        above -= weights[edge]
        if above < 0:
            return EDGES[min(edge, len(EDGES) - 1)]
    return EDGES[-1]
