"""The figures as text, each beside its budget."""

from collections.abc import Iterator
from datetime import datetime

from bench.figures import Figures, JsonFigures, LatencyFigures, MemoryFigures, StreamFigures

JSON_BUDGET, JSON_GOAL = 300.0, 200.0
CHUNK_STREAMS, CHUNK_BUDGET, CHUNK_GOAL = 300, 50.0, 35.0
P50_BUDGET, P99_BUDGET = 0.8, 5.0
MEMORY_BUDGET = 130.0
PLAN_BUDGET = 50.0


def report(figures: Figures, at: datetime) -> str:
    """The whole report."""
    return "\n".join([f"RainyModel benchmark, {at:%Y-%m-%d %H:%M} UTC", figures.where, "", *lines(figures)])


def lines(figures: Figures) -> Iterator[str]:
    """Part by part; what was not measured is left out."""
    if figures.json:
        yield from json_lines(figures.json)
    if figures.streams:
        yield "Streams, 50 chunks a second each"
        for streams in figures.streams:
            yield from stream_lines(streams)
    if figures.latency:
        yield from latency_lines(figures.latency)
    if figures.memory:
        yield from memory_lines(figures.memory)
    if figures.plan_us is not None:
        yield "Routing decision"
        yield line(
            "plan() over 200 deployments",
            f"{figures.plan_us:.1f} µs",
            budget(figures.plan_us, PLAN_BUDGET, "µs"),
        )
    yield counts_line(figures)


def json_lines(json: JsonFigures) -> Iterator[str]:
    """JSON completions."""
    yield f"JSON chat completions, {json.connections} connections; auth, limits, breaker and log on"
    yield line("CPU per request", f"{json.cpu_us:.0f} µs", budget(json.cpu_us, JSON_BUDGET, "µs", JSON_GOAL))
    yield line(
        "a plain uvicorn application",
        f"{json.baseline_us:.0f} µs",
        f"the gateway costs {json.ratio:.1f} times that",
    )
    yield line(
        "requests per second", f"{json.per_second:.0f}", f"the worker used {json.busy:.0%} of its core"
    )


def stream_lines(streams: StreamFigures) -> Iterator[str]:
    """Streams."""
    name = f"{streams.streams} streams"
    stands = budget(streams.cpu_us, CHUNK_BUDGET, "µs", CHUNK_GOAL)
    if streams.streams != CHUNK_STREAMS:
        stands = f"mostly waking up and going to sleep; the budget is for {CHUNK_STREAMS}"
    yield line(f"CPU per chunk, {name}", f"{streams.cpu_us:.1f} µs", stands)
    said = f"of {streams.wanted:.0f} sent; the worker used {streams.busy:.0%} of its core"
    yield line(f"chunks per second, {name}", f"{streams.per_second:.0f}", said)


def latency_lines(latency: LatencyFigures) -> Iterator[str]:
    """Latency."""
    yield f"Latency, one request at a time, {latency.rounds} rounds"
    for name, added, limit, through, direct, plain in (
        ("p50", latency.added_p50, P50_BUDGET, latency.gateway_p50, latency.direct_p50, latency.plain_p50),
        ("p99", latency.added_p99, P99_BUDGET, latency.gateway_p99, latency.direct_p99, latency.plain_p99),
    ):
        said = f"{through:.2f} through the gateway, {direct:.2f} without, {plain:.2f} plain application"
        yield line(f"added, {name}", f"{added:.2f} ms", f"{budget(added, limit, 'ms')}; {said}")


def memory_lines(memory: MemoryFigures) -> Iterator[str]:
    """Memory."""
    yield "Memory of the worker"
    yield line("at rest", f"{memory.at_rest:.0f} MB", budget(memory.at_rest, MEMORY_BUDGET, "MB"))
    after = f"{budget(memory.after, MEMORY_BUDGET, 'MB')}; {memory.peak:.0f} at most"
    yield line("after the load", f"{memory.after:.0f} MB", after)


def counts_line(figures: Figures) -> str:
    """Whether every request is accounted for."""
    counts = figures.counts
    verdict = "they agree" if counts.agree else "THEY DO NOT AGREE"
    return (
        f"Counts: {counts.answered} requests answered and {counts.failed} failed; the upstream saw {counts.upstream}, "
        f"{counts.direct} of them direct; {counts.rows} log rows, {counts.good_rows} of them ok: {verdict}"
    )


def line(name: str, value: str, said: str) -> str:
    """One figure."""
    return f"  {name:<30} {value:>9}   {said}"


def budget(value: float, limit: float, unit: str, goal: float | None = None) -> str:
    """Where a figure stands."""
    aim = f", goal {goal:g}" if goal is not None else ""
    stands = "over" if value > limit else "within" if goal is None or value > goal else "at the goal"
    return f"budget {limit:g} {unit}{aim}: {stands}"
