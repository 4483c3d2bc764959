"""What a process has counted since it began: numbers that only grow, by family and labels.

A request costs a few additions in dicts and three bisections, about 2 µs; nothing here waits or does I/O. Every label's
value comes from the catalogue or is a word of ours, so there are as many series as an operator made; beyond MOST_SERIES
of one family the rest is counted under OTHER.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.log_rows import LogEntry

MOST_SERIES = 5_000
OTHER = "other"
Labels = tuple[str, ...]
Numbers = list[float]


@dataclass(frozen=True, slots=True)
class Family:
    """One table of counters: its labels, and what each number of a row is."""

    labels: Labels
    numbers: Labels


# Upper bounds in seconds. Requests of language models take from a tenth of a second to minutes.
LONG = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
SHORT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


def histogram(name: str, bounds: tuple[float, ...]) -> Labels:
    """The numbers of a histogram: one for each bucket, the open one, and the sum."""
    return (*(f"{name}_le_{bound:g}" for bound in bounds), f"{name}_le_+Inf", f"{name}_sum")


FAMILIES = {
    "requests": Family(
        ("alias", "policy", "tier", "provider", "deployment", "endpoint", "stream", "state", "code"),
        ("requests",),
    ),
    "spend": Family(
        ("alias", "tier", "provider", "deployment"),
        ("input", "cached", "output", "reasoning", "cost_usd", "unpriced"),
    ),
    "duration": Family(("alias", "tier", "provider"), histogram("duration", LONG)),
    "first_content": Family(("alias", "tier", "provider"), histogram("first_content", LONG)),
    "overhead": Family(("stream",), histogram("overhead", SHORT)),
    "attempts": Family(("provider", "deployment", "outcome"), ("attempts",)),
    "fallbacks": Family(("alias", "reason"), ("fallbacks",)),
    "errors": Family(("status", "code"), ("errors",)),
}
Document = dict[str, list[tuple[Labels, Numbers]]]


class Counts:
    """Counters of FAMILIES, `most` series of each. Not safe for threads: a worker counts in its event loop alone."""

    def __init__(self, most: int = MOST_SERIES) -> None:
        self._most = most
        self.families: dict[str, dict[Labels, Numbers]] = {name: {} for name in FAMILIES}

    def request(self, entry: LogEntry) -> None:
        """Count a request whose row is complete."""
        stream = "true" if entry.stream else "false"
        policy = entry.policy if entry.alias else ""  # before planning it is what the client wrote
        answered = entry.tier, entry.provider
        self._row(
            "requests",
            (entry.alias, policy, *answered, entry.deployment, endpoint_of(entry.endpoint), stream, entry.state,
             entry.error_code),
        )[0] += 1  # fmt: skip
        if entry.total_ms is not None and entry.state == "ok":
            self._observe("duration", (entry.alias, *answered), LONG, entry.total_ms / 1000)
        if entry.first_content_ms is not None:
            self._observe("first_content", (entry.alias, *answered), LONG, entry.first_content_ms / 1000)
        if entry.overhead_ms is not None:
            self._observe("overhead", (stream,), SHORT, entry.overhead_ms / 1000)
        if entry.deployment:
            self._spend(entry)
        for attempt in entry.attempts:
            word = "skipped" if attempt.get("skipped") else attempt["word"] or "ok"
            self._row("attempts", (attempt["provider"], attempt["deployment"], word))[0] += 1
        if entry.fallback_reason:
            self._row("fallbacks", (entry.alias, entry.fallback_reason))[0] += 1

    def error(self, status: int, code: str) -> None:
        """Count an error that a client was told, with or without a row in the log."""
        self._row("errors", (str(status), code))[0] += 1

    def add(self, document: Mapping[str, Iterable[Any]]) -> None:
        """Add what another process counted; families and rows of another form (an older version's) are left out."""
        for name, rows in document.items():
            if (family := FAMILIES.get(name)) is None:
                continue
            for labels, numbers in rows:
                if len(labels) == len(family.labels) and len(numbers) == len(family.numbers):
                    own = self._row(name, tuple(labels))
                    own[:] = map(sum, zip(own, numbers, strict=True))

    def document(self) -> Document:
        """Everything, for JSON."""
        return {name: list(rows.items()) for name, rows in self.families.items()}

    def _spend(self, entry: LogEntry) -> None:
        row = self._row("spend", (entry.alias, entry.tier, entry.provider, entry.deployment))
        row[0] += entry.input_tokens
        row[1] += entry.cached_tokens
        row[2] += entry.output_tokens
        row[3] += entry.reasoning_tokens
        if entry.cost_usd is None:
            row[5] += 1
        else:
            row[4] += float(entry.cost_usd)

    def _observe(self, name: str, labels: Labels, bounds: tuple[float, ...], seconds: float) -> None:
        row = self._row(name, labels)
        row[bisect_left(bounds, seconds)] += 1
        row[-1] += seconds

    def _row(self, name: str, labels: Labels) -> Numbers:
        rows = self.families[name]
        row = rows.get(labels)
        if row is None:
            if len(rows) >= self._most:
                labels = (OTHER,) * len(labels)
            row = rows.setdefault(labels, [0] * len(FAMILIES[name].numbers))
        return row


def endpoint_of(path: str) -> str:
    """`chat/completions`, however the client spelt the path."""
    return path.removeprefix("/v1").strip("/")
