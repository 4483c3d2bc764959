"""What the benchmark finds: plain values, and nothing about how they are shown."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class JsonFigures:
    """CPU of one JSON completion; `baseline` and `ratio` are of the plain application in the same rounds."""

    connections: int
    cpu_us: float
    baseline_us: float
    ratio: float
    per_second: float
    busy: float


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """CPU of one streamed event with so many streams open; `wanted` is what the upstream sends in a second."""

    streams: int
    cpu_us: float
    per_second: float
    wanted: float
    busy: float


@dataclass(frozen=True, slots=True)
class LatencyFigures:
    """Milliseconds of one request at a time, in turn: through the gateway, straight to the upstream, and to the plain
    application, which shares the worker's core: its slow moments are the machine's.
    """

    rounds: int
    gateway_p50: float
    gateway_p99: float
    direct_p50: float
    direct_p99: float
    plain_p50: float
    plain_p99: float

    @property
    def added_p50(self) -> float:
        """What the gateway adds to a usual request."""
        return self.gateway_p50 - self.direct_p50

    @property
    def added_p99(self) -> float:
        """What it adds to a slow one."""
        return self.gateway_p99 - self.direct_p99


@dataclass(frozen=True, slots=True)
class MemoryFigures:
    """The worker's memory in MB: before the first request, after the last, and the most in between."""

    at_rest: float
    after: float
    peak: float


@dataclass(frozen=True, slots=True)
class Counts:
    """Every request, counted in three places: by the clients, by the upstream, and in the request log.

    `answered` are the gateway's, `direct` those that went past it, `failed` those that were not answered whole.
    """

    answered: int = 0
    direct: int = 0
    failed: int = 0
    upstream: int = 0
    rows: int = 0
    good_rows: int = 0

    @property
    def agree(self) -> bool:
        """Whether every request was answered whole, asked of the upstream once, and logged once as `ok`."""
        return (
            self.failed == 0
            and self.answered > 0
            and self.upstream == self.answered + self.direct
            and self.rows == self.good_rows == self.answered
        )


@dataclass(slots=True)
class Figures:
    """One run. What was not asked for is None or empty."""

    where: str = ""
    json: JsonFigures | None = None
    streams: list[StreamFigures] = field(default_factory=list)
    latency: LatencyFigures | None = None
    memory: MemoryFigures | None = None
    plan_us: float | None = None
    counts: Counts = field(default_factory=Counts)
