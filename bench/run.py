"""One run of the benchmark, part by part."""

import os
import platform
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from math import ceil
from statistics import median

from bench import plan
from bench.cores import share_out
from bench.figures import Counts, Figures, JsonFigures, LatencyFigures, MemoryFigures, StreamFigures
from bench.gateway import Bench, running_bench
from bench.loads import CannotMeasure, Load, Result, chat_request, run_load
from bench.measure import can_measure, peak_mb, resident_mb
from bench.prepare import ALIAS, MODEL, STREAM_ALIASES
from routing.engine.health import Health
from routing.tests.catalogue import POLICIES, snapshot
from routing.tests.catalogue import alias as alias_of

CONNECTIONS = 32
STREAMS = (20, 300)
CHUNKS_PER_SECOND = 50
HEAD_AND_END = 2  # events of a stream beside its chunks: the role and the finish reason
PARTS = ("json", "streams", "latency")

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the parts take, in seconds; `rounds` of the JSON load, each beside one of the baseline."""

    rounds: int
    warm_up: float
    baseline: float
    json: float
    streams_warm_up: float
    streams: float
    latency: float


FULL = Pace(rounds=3, warm_up=0.5, baseline=1.5, json=4.0, streams_warm_up=2.0, streams=8.0, latency=8.0)
SHORT = Pace(rounds=1, warm_up=0.2, baseline=0.4, json=0.8, streams_warm_up=0.6, streams=0.6, latency=0.6)


@dataclass(slots=True)
class Run:
    """The parts of one run against one gateway; it adds up what was answered on the way."""

    bench: Bench
    pace: Pace
    counts: Counts = field(default_factory=Counts)

    def json(self) -> JsonFigures:
        """Rounds of baseline and gateway, one after the other; of each figure the median over the rounds."""
        bench, pace = self.bench, self.pace
        request = chat_request(bench.port, ALIAS, bench.key)
        results, ratios, baselines = [], [], []
        for _ in range(pace.rounds):
            plain = self._answers(bench.baseline_port, request, bench.baseline, pace.baseline)
            result = self._answers(bench.port, request, bench.worker, pace.json)
            self._count(result.answered[0], result.failed + plain.failed)
            results.append(result)
            baselines.append(plain.cpu_us)
            ratios.append(result.cpu_us / plain.cpu_us)
        return JsonFigures(
            connections=CONNECTIONS,
            cpu_us=median(result.cpu_us for result in results),
            baseline_us=median(baselines),
            ratio=median(ratios),
            per_second=median(result.per_second for result in results),
            busy=median(result.busy for result in results),
        )

    def streams(self, streams: int) -> StreamFigures:
        """So many streams at once; the window lies inside all of them, so opening and closing is not in it."""
        bench, pace = self.bench, self.pace
        chunks = ceil((pace.streams_warm_up + pace.streams + 0.3) * CHUNKS_PER_SECOND)
        model = f"{STREAM_ALIASES}slow:first=0.02,chunk={1 / CHUNKS_PER_SECOND},chunks={chunks}"
        request = chat_request(bench.port, model, bench.key, stream=True)
        load = Load(
            kind="streams",
            targets=[(bench.port, request)],
            warm_up=pace.streams_warm_up,
            seconds=pace.streams,
            watched=bench.worker,
            connections=streams,
            events=chunks + HEAD_AND_END,
        )
        result = run_load(load, bench.cores.others)
        self._count(result.answered[0], result.failed)
        wanted = float(streams * CHUNKS_PER_SECOND)
        return StreamFigures(streams, result.cpu_us, result.per_second, wanted, result.busy)

    def latency(self) -> LatencyFigures:
        """One request at a time, to the gateway, to the upstream and to the plain application in turn."""
        bench, pace = self.bench, self.pace
        targets = [
            (bench.port, chat_request(bench.port, ALIAS, bench.key)),
            (bench.upstream_port, chat_request(bench.upstream_port, MODEL)),
            (bench.baseline_port, chat_request(bench.baseline_port, MODEL)),
        ]
        result = run_load(
            Load("turns", targets, pace.warm_up, pace.latency, bench.worker), bench.cores.others
        )
        through, direct, plain = result.answered
        self._count(through, result.failed, direct)
        (gateway50, direct50, plain50), (gateway99, direct99, plain99) = result.p50, result.p99
        return LatencyFigures(plain, gateway50, gateway99, direct50, direct99, plain50, plain99)

    def count(self) -> Counts:
        """What was answered, beside what the upstream and the request log say."""
        upstream = self.bench.upstream_requests()
        rows, good_rows = self.bench.log_rows(self.counts.answered)
        return replace(self.counts, upstream=upstream, rows=rows, good_rows=good_rows)

    def _answers(self, port: int, request: str, watched: int, seconds: float) -> Result:
        load = Load("answers", [(port, request)], self.pace.warm_up, seconds, watched, CONNECTIONS)
        return run_load(load, self.bench.cores.others)

    def _count(self, answered: int, failed: int, direct: int = 0) -> None:
        counts = self.counts
        self.counts = replace(
            counts,
            answered=counts.answered + answered,
            failed=counts.failed + failed,
            direct=counts.direct + direct,
        )


def measure(pace: Pace, parts: Collection[str], say: Progress) -> Figures:
    """Start everything, measure these parts, stop everything. Raises CannotMeasure."""
    if not can_measure():
        raise CannotMeasure("CPU time and memory are read from /proc, which this system does not have.")
    cores = share_out()
    figures = Figures(where=machine(cores.in_words()))
    say("starting Postgres, the upstream and one gateway worker")
    with running_bench(cores) as bench:
        at_rest = resident_mb(bench.worker)
        run = Run(bench, pace)
        if "json" in parts:
            say(f"JSON completions over {CONNECTIONS} connections")
            figures.json = run.json()
        for streams in STREAMS if "streams" in parts else ():
            say(f"{streams} streams")
            figures.streams.append(run.streams(streams))
        if "latency" in parts:
            say("one request at a time")
            figures.latency = run.latency()
        figures.memory = MemoryFigures(at_rest, resident_mb(bench.worker), peak_mb(bench.worker))
        figures.counts = run.count()
    return figures


def plan_cost() -> float:
    """CPU microseconds of one routing decision over 200 deployments, all healthy."""
    catalogue = snapshot(alias_of("m", *plan.fleet()), policies=POLICIES)
    return plan.microseconds_per_call(catalogue, "auto", Health())


def machine(pinned: str) -> str:
    """The machine in one line."""
    cores = os.cpu_count()
    load = os.getloadavg()[0]
    return f"{cores} cores, Python {platform.python_version()}; {pinned}; load average {load:.1f} before the start"
