"""What readers get: sums of requests with what follows from them, as frozen values."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gateway.traffic.histogram import BUCKETS, percentile

NANO = Decimal(10) ** -9
NOTHING = (0,) * BUCKETS


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of `count` requests. Percentiles are at most 12.3 % off; None where nothing was measured."""

    count: int = 0
    total_us: int = 0
    least_us: int | None = None
    greatest_us: int | None = None
    counts: tuple[int, ...] = field(default=NOTHING, repr=False)

    def __add__(self, other: "Latency") -> "Latency":
        """Both together."""
        return Latency(
            self.count + other.count,
            self.total_us + other.total_us,
            min((v for v in (self.least_us, other.least_us) if v is not None), default=None),
            max((v for v in (self.greatest_us, other.greatest_us) if v is not None), default=None),
            tuple(map(sum, zip(self.counts, other.counts, strict=True))),
        )

    @property
    def avg_ms(self) -> float | None:
        """The mean, exact."""
        return self.total_us / self.count / 1000 if self.count else None

    @property
    def min_ms(self) -> float | None:
        """The least, exact."""
        return None if self.least_us is None else self.least_us / 1000

    @property
    def max_ms(self) -> float | None:
        """The greatest, exact."""
        return None if self.greatest_us is None else self.greatest_us / 1000

    def percentile(self, share: float) -> float | None:
        """The value that `share` (0 to 1) of the requests do not exceed."""
        return percentile(self.counts, share, self.min_ms, self.max_ms)


@dataclass(frozen=True, slots=True)
class Figures:
    """Requests by their end, attempts, tokens (disjoint; reasoning is a part of output) and costs.

    `latency` is that of requests that ended well, `first_content` that of all that got any; `overhead_us` is our own
    share of all `timed` requests. `unpriced` requests went upstream at a cost nobody knows; it is not in the cost.
    """

    ok: int = 0
    client_error: int = 0
    upstream_error: int = 0
    truncated: int = 0
    refused: int = 0
    lost: int = 0
    cancelled: int = 0
    streams: int = 0
    attempts: int = 0
    fallbacks: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: int = 0
    cost_nano: int = 0
    unpriced: int = 0
    timed: int = 0
    overhead_us: int = 0
    latency: Latency = Latency()
    first_content: Latency = Latency()

    def __add__(self, other: "Figures") -> "Figures":
        """Both together."""
        return Figures(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))

    @property
    def requests(self) -> int:
        """All of them."""
        return self.ok + self.errors + self.cancelled

    @property
    def errors(self) -> int:
        """Those that failed; what a client broke off did not fail."""
        return self.client_error + self.upstream_error + self.truncated + self.refused + self.lost

    @property
    def success_share(self) -> float | None:
        """0 to 1, of those that were not broken off; None without any."""
        judged = self.ok + self.errors
        return self.ok / judged if judged else None

    @property
    def total_tokens(self) -> int:
        """Everything that was counted, once."""
        return self.input_tokens + self.cached_tokens + self.output_tokens

    @property
    def cost_usd(self) -> Decimal:
        """What is known of the cost."""
        return self.cost_nano * NANO

    @property
    def overhead_ms(self) -> float | None:
        """Our own share of a request, the mean."""
        return self.overhead_us / self.timed / 1000 if self.timed else None


@dataclass(frozen=True, slots=True)
class Group:
    """Figures of one value of each dimension asked for, e.g. ("rainymodel/auto",)."""

    names: tuple[Any, ...]
    figures: Figures


@dataclass(frozen=True, slots=True)
class Point:
    """Figures of the minute, hour or day that begins at `at`; `name` is the value of the dimension asked for."""

    at: Any
    name: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class ErrorCount:
    """Requests that ended in `error` (a code of ours; empty where there is none, as for lost requests)."""

    state: str
    error: str
    provider: str
    alias: str
    requests: int


@dataclass(frozen=True, slots=True)
class Step:
    """Attempts at a deployment that failed with `word`, or were skipped (`skipped`), and who was asked next.

    `next_provider` is empty when nobody was.
    """

    provider: str
    deployment: str
    word: str
    skipped: bool
    next_provider: str
    next_deployment: str
    count: int


COUNTED = (
    "streams",
    "attempts",
    "fallbacks",
    "input_tokens",
    "cached_tokens",
    "output_tokens",
    "reasoning_tokens",
    "estimated",
    "cost_nano",
    "unpriced",
    "timed",
    "overhead_us",
)


def figures_of(row: Mapping[str, Any]) -> Figures:
    """The figures of rolled-up rows of one state."""
    first = Latency(
        row["begun"], row["first_us"], row["first_least"], row["first_greatest"], row["first_counts"]
    )
    total = Latency(
        row["timed"], row["total_us"], row["total_least"], row["total_greatest"], row["total_counts"]
    )
    return Figures(
        **{row["state"]: row["requests"]},
        **{name: row[name] for name in COUNTED},
        latency=total if row["state"] == "ok" else Latency(),
        first_content=first,
    )


def together(figures: Iterable[Figures]) -> Figures:
    """All of them."""
    return sum(figures, Figures())
