"""Figures as Prometheus reads them; the text itself is written by prometheus-client."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder

from gateway.metrics.counts import FAMILIES, LONG, SHORT, Counts, Labels, Numbers
from gateway.metrics.gauges import NAMES, STATES

PREFIX = "rainymodel_"
KINDS = ("input", "cached", "output", "reasoning")
COUNTERS = {
    "requests": "Requests by what was asked, who answered, and how it ended.",
    "attempts": "Deployments asked, or skipped, and what came of it.",
    "fallbacks": "Requests that the first deployment did not answer, by the reason.",
    "errors": "Errors that clients were told, also before a request was admitted.",
}
HISTOGRAMS = {
    "duration": (LONG, "Seconds from the request to the end of its answer, of requests that were answered."),
    "first_content": (LONG, "Seconds to the first content from the upstream, within its attempt."),
    "overhead": (SHORT, "Seconds that a request spent in the gateway, outside its attempts."),
}
Present = dict[str, tuple[Mapping[str, float], ...]]  # worker → gauges, circuits, running


class Figures:
    """A collector for prometheus-client: the sum of all counts, and each living worker's present."""

    def __init__(self, counts: Counts, workers: Present, version: str) -> None:
        self._families, self._workers, self._version = counts.families, workers, version

    def collect(self) -> Iterator[Metric]:
        """Every metric once."""
        info = GaugeMetricFamily(f"{PREFIX}build_info", "The version that runs.", labels=["version"])
        info.add_metric([self._version], 1)
        yield info
        for name, told in COUNTERS.items():
            metric = CounterMetricFamily(PREFIX + name, told, labels=FAMILIES[name].labels)
            for labels, (number,) in self._families[name].items():
                metric.add_metric(labels, number)
            yield metric
        for name, (bounds, told) in HISTOGRAMS.items():
            yield histogram(name, told, bounds, self._families[name])
        yield from spending(self._families["spend"])
        yield from gauges(self._workers)
        yield circuits(self._workers)
        yield running(self._workers)


def histogram(name: str, told: str, bounds: tuple[float, ...], rows: Mapping[Labels, Numbers]) -> Metric:
    """Cumulative buckets, as Prometheus wants them."""
    metric = HistogramMetricFamily(f"{PREFIX}{name}_seconds", told, labels=FAMILIES[name].labels)
    marks = [*(f"{bound:g}" for bound in bounds), "+Inf"]
    for labels, numbers in rows.items():
        total, buckets = 0.0, []
        for mark, number in zip(marks, numbers, strict=False):
            total += number
            buckets.append((mark, total))
        metric.add_metric(labels, buckets, sum_value=numbers[-1])
    return metric


def spending(rows: Mapping[Labels, Numbers]) -> Iterator[Metric]:
    """Tokens and money of requests that a deployment answered."""
    names = FAMILIES["spend"].labels
    tokens = CounterMetricFamily(
        f"{PREFIX}tokens", "Tokens; reasoning is a part of output.", labels=[*names, "kind"]
    )
    cost = CounterMetricFamily(f"{PREFIX}cost_usd", "Known cost in US dollars.", labels=names)
    unpriced = CounterMetricFamily(
        f"{PREFIX}unpriced_requests", "Requests whose cost is unknown.", labels=names
    )
    for labels, (*counted, dollars, unknown) in rows.items():
        for kind, number in zip(KINDS, counted, strict=True):
            tokens.add_metric([*labels, kind], number)
        cost.add_metric(labels, dollars)
        unpriced.add_metric(labels, unknown)
    yield from (tokens, cost, unpriced)


def gauges(workers: Present) -> Iterator[Metric]:
    """What is true of each living worker."""
    for name, told in NAMES.items():
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        metric = kind(f"{PREFIX}worker_{name.removesuffix('_total')}", told, labels=["worker"])
        for worker, (values, *_) in sorted(workers.items()):
            if name in values:
                metric.add_metric([worker], values[name])
        yield metric


def circuits(workers: Present) -> Metric:
    """How each deployment stands with each living worker."""
    told = ", ".join(f"{number} {state.replace('_', '-')}" for number, state in enumerate(STATES))
    metric = GaugeMetricFamily(
        f"{PREFIX}circuit_state", f"How a deployment stands: {told}.", labels=["worker", "deployment"]
    )
    return by_slug(metric, workers, 1)


def running(workers: Present) -> Metric:
    """How many requests each living worker has at each provider."""
    name, labels = f"{PREFIX}provider_requests_in_flight", ["worker", "provider"]
    return by_slug(GaugeMetricFamily(name, "Requests on their way at a provider.", labels=labels), workers, 2)


def by_slug(metric: GaugeMetricFamily, workers: Present, part: int) -> GaugeMetricFamily:
    """The metric with one part of every worker's present, slug by slug."""
    for worker, present in sorted(workers.items()):
        for slug, number in present[part].items():
            metric.add_metric([worker, slug], number)
    return metric


def text(figures: Figures, accept: str) -> tuple[bytes, str]:
    """The figures in the form that the scraper prefers, and its content type."""
    encode, content_type = choose_encoder(accept)
    collector: Any = figures
    return encode(collector), content_type
