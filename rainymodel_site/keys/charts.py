"""Bars for each day as plain SVG rectangles: no script, no library, readable as numbers beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from gateway.own_usage import DayUse, Sums

CENT = Decimal("0.01")
LEAST = 2.0  # a day with something is never drawn as a day with nothing


@dataclass(frozen=True, slots=True)
class Bar:
    """One day's rectangle; `part` is the height of what failed, at its foot."""

    x: float
    y: float
    height: float
    part: float
    part_y: float
    title: str


@dataclass(frozen=True, slots=True)
class Chart:
    """All bars in a box of `width` × `height`, and the words for who cannot see them."""

    bars: tuple[Bar, ...]
    width: float
    height: float
    bar_width: float
    highest: str
    told: str


@dataclass(frozen=True, slots=True)
class Measure:
    """What is drawn: its name, its value of a day, and how that is written."""

    name: str
    value: Callable[[Sums], Decimal | int]
    written: Callable[[Sums], str]


def money(amount: Decimal) -> str:
    """`$0`, `$0.0012`, `$1,234.50`: cents from a cent on, two telling digits below."""
    if not amount:
        return "$0"
    if amount >= CENT:
        return f"${amount:,.2f}"
    digits = 1 - amount.adjusted()
    return f"${amount:.{digits}f}"


def cost(sums: Sums) -> str:
    """A cost in words: `$1.20`, or with requests whose price nobody knows `$1.20 + unknown`."""
    if not sums.unpriced:
        return money(sums.cost_usd)
    return f"{money(sums.cost_usd)} + unknown" if sums.cost_usd else "unknown"


def count(number: int, word: str) -> str:
    """`1 request`, `1,200 requests`."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


COST = Measure("cost", lambda sums: sums.cost_usd, cost)
REQUESTS = Measure("requests", lambda sums: sums.requests, lambda sums: count(sums.requests, "request"))
TOKENS = Measure("tokens", lambda sums: sums.tokens, lambda sums: count(sums.tokens, "token"))
MEASURES = {measure.name: measure for measure in (REQUESTS, TOKENS, COST)}


def draw(
    days: Sequence[DayUse], measure: Measure, *, slots: int, slot: float, gap: float, height: float
) -> Chart:
    """One bar for each day, in a box with room for `slots` days."""
    top = max((day.sums for day in days), key=measure.value)
    scale = height / float(measure.value(top) or 1)
    bars = tuple(bar(day, measure, number * slot, scale, height) for number, day in enumerate(days))
    told = f"{measure.name.capitalize()} per day, {days[0].day:%-d %b} to {days[-1].day:%-d %b}"
    highest = measure.written(top)
    return Chart(bars, slots * slot - gap, height, slot - gap, highest, f"{told}; the most: {highest}.")


def bar(day: DayUse, measure: Measure, x: float, scale: float, height: float) -> Bar:
    """One day's bar; of requests its foot shows the failed ones."""
    value = measure.value(day.sums)
    tall = max(LEAST, float(value) * scale) if value else 0.0
    errors = day.sums.errors if measure is REQUESTS else 0
    part = max(LEAST, errors * scale) if errors else 0.0
    failed = f", {errors:,} failed" if errors else ""
    title = f"{day.day:%-d %b}: {measure.written(day.sums)}{failed}"
    return Bar(x, round(height - tall, 2), round(tall, 2), round(part, 2), round(height - part, 2), title)
