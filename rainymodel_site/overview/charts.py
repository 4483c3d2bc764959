"""The overview's charts, as the theme's Chart.js reads them from a canvas."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gateway.traffic.figures import Figures, Point
from gateway.traffic.window import UNITS

COLOURS = {
    "answered": "var(--color-primary-500)",
    "given up": "var(--color-base-400)",
    "failed": "var(--color-red-500)",
}
MEDIAN, SLOW = "var(--color-primary-500)", "var(--color-orange-500)"
EMPTY = Figures()


@dataclass(frozen=True, slots=True)
class Chart:
    """One canvas: its title, what it says in words, and `data` and `options` of Chart.js as JSON.

    Labels are moments; the page's script writes them in the viewer's zone.
    """

    title: str
    told: str
    kind: str
    data: str
    options: str


def charts(points: Sequence[Point], since: datetime, step: str, now: datetime) -> tuple[Chart, ...]:
    """Requests by outcome, time of an answer, cost; a place for each minute, hour or day, busy or not."""
    by_time = {point.at: point.figures for point in points}
    times = moments(since, step, now)
    found = [by_time.get(at, EMPTY) for at in times]
    return (
        requests_chart(times, found),
        latency_chart(times, found),
        cost_chart(times, found),
    )


def moments(since: datetime, step: str, now: datetime) -> list[datetime]:
    """Every begin of a minute, hour or day from `since` to `now`."""
    unit: timedelta = UNITS[step]
    return [since + unit * number for number in range(int((now - since) / unit) + 1)]


def requests_chart(times: Sequence[datetime], found: Sequence[Figures]) -> Chart:
    """Stacked bars."""
    numbers = {
        "answered": [figures.ok for figures in found],
        "given up": [figures.cancelled for figures in found],
        "failed": [figures.errors for figures in found],
    }
    data: list[dict[str, Any]] = [
        {"label": name, "data": values, "backgroundColor": COLOURS[name], "stack": "all"}
        for name, values in numbers.items()
        if name != "given up" or any(values)
    ]
    told = ", ".join(f"{sum(values):,} {name}" for name, values in numbers.items())
    return chart("Requests", told, "bar", times, data, stacked=True)


def latency_chart(times: Sequence[datetime], found: Sequence[Figures]) -> Chart:
    """Half of the answers took less than the lower line, nineteen of twenty less than the upper."""
    data: list[dict[str, Any]] = [
        {
            "label": name,
            "data": [seconds(figures.latency.percentile(share)) for figures in found],
            "borderColor": colour,
            "spanGaps": True,
            "pointRadius": 1.5,
            "pointBackgroundColor": "#9ca3af",
            "tension": 0.25,
        }
        for name, share, colour in (("median", 0.5, MEDIAN), ("95th percentile", 0.95, SLOW))
    ]
    return chart("Time of an answer, seconds", "median and 95th percentile over time", "line", times, data)


def cost_chart(times: Sequence[datetime], found: Sequence[Figures]) -> Chart:
    """Known cost."""
    dollars = [round(float(figures.cost_usd), 4) for figures in found]
    data = [{"label": "cost", "data": dollars, "backgroundColor": MEDIAN}]
    return chart("Cost, US dollars", f"{sum(dollars):,.2f} US dollars in all", "bar", times, data)


def chart(
    title: str,
    told: str,
    kind: str,
    times: Sequence[datetime],
    datasets: list[dict[str, Any]],
    *,
    stacked: bool = False,
) -> Chart:
    """The same look for all."""
    axis = {"color": "#9ca3af", "maxRotation": 0, "autoSkip": True, "maxTicksLimit": 8}
    options = {
        "animation": False,
        "responsive": True,
        "maintainAspectRatio": False,
        "interaction": {"mode": "index", "intersect": False},
        "plugins": {
            "legend": {
                "display": len(datasets) > 1,
                "align": "end",
                "labels": {"boxWidth": 8, "boxHeight": 8, "color": "#9ca3af"},
            }
        },
        "scales": {
            "x": {"stacked": stacked, "ticks": axis, "grid": {"display": False}},
            "y": {"stacked": stacked, "beginAtZero": True, "ticks": {**axis, "maxTicksLimit": 5}, "grid": {}},
        },
    }
    data = {"labels": [at.isoformat() for at in times], "datasets": datasets}
    return Chart(title, told, kind, json.dumps(data), json.dumps(options))


def seconds(milliseconds: float | None) -> float | None:
    """Rounded for a chart; None leaves a gap."""
    return None if milliseconds is None else round(milliseconds / 1000, 3)
