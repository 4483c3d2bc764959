"""The overview's figures in words: tiles, and tables of who answered."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from gateway.narrative import dollars, duration
from gateway.traffic.figures import Figures, Group, Latency, together
from gateway.traffic.saved import Saved

NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Period:
    """A choice of the page: how far back it looks."""

    word: str
    name: str
    span: timedelta

    @property
    def hours(self) -> float:
        """Its length."""
        return self.span / timedelta(hours=1)


PERIODS = (
    Period("hour", "Last hour", timedelta(hours=1)),
    Period("day", "Last 24 hours", timedelta(days=1)),
    Period("week", "Last 7 days", timedelta(days=7)),
    Period("month", "Last 30 days", timedelta(days=30)),
)
DAY = PERIODS[1]


def period_of(word: str | None) -> Period:
    """The chosen period; a day without one."""
    return next((period for period in PERIODS if period.word == word), DAY)


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure with its name, and what should be known beside it. `tone` is empty or `bad`."""

    name: str
    value: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """What one tier, provider or alias did. `part` is its share of all requests, 0 to 100."""

    name: str
    requests: str
    part: float
    errors: str
    latency: str
    first_content: str
    tokens: str
    cost: str
    link: str = ""


def tiles(figures: Figures, saved: Saved) -> tuple[Tile, ...]:
    """What an operator asks first."""
    first = figures.first_content
    return (
        Tile("Requests", short(figures.requests), cancelled_of(figures)),
        Tile(
            "Errors",
            percent(figures.errors, figures.requests),
            f"{figures.errors:,} requests",
            "bad" if figures.errors > figures.requests * 0.05 else "",
        ),
        Tile("Fallbacks", percent(figures.fallbacks, figures.requests), f"{figures.fallbacks:,} requests"),
        Tile(
            "Tokens",
            short(figures.total_tokens),
            f"{short(figures.input_tokens + figures.cached_tokens)} in, {short(figures.output_tokens)} out",
        ),
        Tile("Cost", dollars(cents(figures)), unpriced_of(figures)),
        saved_tile(saved),
        Tile("Time of an answer", took(figures.latency.percentile(0.5)), tail(figures.latency)),
        Tile(
            "Time to first content",
            took(first.percentile(0.5)),
            tail(first),
        ),
    )


def saved_tile(saved: Saved) -> Tile:
    """The money that other tiers than the dearest saved, at least."""
    name = f"Saved against all {saved.tier}" if saved.tier else "Saved"
    if saved.saved_usd is None:
        return Tile(name, NOTHING, "no deployment of that tier has a price" if saved.tier else "")
    return Tile(name, dollars(round(saved.saved_usd, 2)), f"at the price of {saved.model}")


def lines(groups: Iterable[Group], place: int, total: int, names: dict[str, str]) -> tuple[Line, ...]:
    """Groups summed by one of their dimensions, the busiest first; `names` maps a value to the page about it."""
    sums: dict[str, list[Figures]] = {}
    for group in groups:
        sums.setdefault(group.names[place], []).append(group.figures)
    found = sorted(((name, together(each)) for name, each in sums.items()), key=lambda one: -one[1].requests)
    return tuple(line_of(name, figures, total, names.get(name, "")) for name, figures in found)


def line_of(name: str, figures: Figures, total: int, link: str) -> Line:
    """One line."""
    return Line(
        name=name or "nobody",
        requests=f"{figures.requests:,}",
        part=round(100 * figures.requests / total, 1) if total else 0.0,
        errors=percent(figures.errors, figures.requests),
        latency=took(figures.latency.percentile(0.5)),
        first_content=took(figures.first_content.percentile(0.5)),
        tokens=short(figures.total_tokens),
        cost=dollars(cents(figures)) + ("+" if figures.unpriced else ""),
        link=link,
    )


def cancelled_of(figures: Figures) -> str:
    """How many were given up by their clients."""
    return f"{figures.cancelled:,} given up by their clients" if figures.cancelled else ""


def unpriced_of(figures: Figures) -> str:
    """How many have no known cost."""
    return f"and {figures.unpriced:,} requests of unknown cost" if figures.unpriced else ""


def tail(latency: Latency) -> str:
    """The slow ones."""
    if not latency.count:
        return ""
    return f"p95 {took(latency.percentile(0.95))}, p99 {took(latency.percentile(0.99))}"


def cents(figures: Figures) -> Decimal:
    """The known cost; whole cents from a cent on."""
    cost = figures.cost_usd
    return round(cost, 2) if cost >= 1 else round(cost, 4)


def took(milliseconds: float | None) -> str:
    """A time, or that nothing was measured."""
    return NOTHING if milliseconds is None else duration(milliseconds)


def percent(part: int, whole: int) -> str:
    """`3.1 %`; small shares keep what says something."""
    if not whole:
        return NOTHING
    share = 100 * part / whole
    return f"{share:.2f} %" if 0 < share < 1 else f"{share:.1f} %"


def short(number: int) -> str:
    """`950`, `12.3 k`, `4.5 M`."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if number >= size:
            return f"{number / (1000 if unit == 'k' else size):.1f} {unit}"
    return f"{number:,}"
