"""Everything a worker's requests share, built once and passed to every consumer."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import psycopg_pool
import structlog

from accounts.callers import Caller, CallerDirectory
from gateway.admit import Limits
from gateway.errors import Unavailable
from gateway.hosts import Hosts
from gateway.housekeeping import JOBS, say_goodbye
from gateway.lifecycle import Lifecycle
from gateway.live import Live
from gateway.metrics.worker import Metrics
from gateway.places import Places
from gateway.probes import FreeProbes
from gateway.prompts.keeper import PromptKeeper
from gateway.pulse import Pulse
from gateway.record import Recorder
from gateway.request_lines import RequestLines
from gateway.states.keeper import StateKeeper
from gateway.traces import Traces
from gateway.upstream.wire import Wire
from routing.engine.query import Grants
from routing.engine.snapshot import Snapshot
from routing.store import SnapshotStore

log = structlog.get_logger("gateway")


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """Settings of the data plane. Sizes in bytes, times in seconds."""

    version: str
    worker_id: str
    dsn: str = field(repr=False)
    metrics_token: str = field(default="", repr=False)
    max_body_bytes: int = 10 * 1024 * 1024
    ping_seconds: float = 15.0
    upload_seconds: float = 30.0
    trusted_proxies: int = 0
    log_days: int = 30
    worker_number: int = 0


@dataclass(slots=True)
class Services:
    """The collaborators of every request. `start` and `stop` are called once each by the server's lifespan.

    Where a server has no lifespan (daphne) the first request starts them.
    """

    config: GatewayConfig
    pool: psycopg_pool.AsyncConnectionPool
    store: SnapshotStore
    callers: CallerDirectory
    recorder: Recorder
    live: Live
    limits: Limits
    pulse: Pulse
    lines: RequestLines
    wires: Mapping[str, Wire]
    hosts: Hosts
    lifecycle: Lifecycle
    metrics: Metrics
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    draw: Callable[[], float]
    landing_page: Callable[[str], Awaitable[bytes]] | None = None
    probes: FreeProbes | None = None
    beside: tuple[Callable[[], Awaitable[None]], ...] = ()  # jobs of the layers above
    traces: Traces | None = None
    places: Places = field(init=False)
    states: StateKeeper = field(init=False)
    prompts: PromptKeeper = field(init=False)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    _grants: dict[str, tuple[Caller, Grants]] = field(default_factory=dict)
    _starting: asyncio.Task[None] | None = None
    _running: bool = False

    def __post_init__(self) -> None:
        self.places = Places(self.limits.ledger)
        self.states = StateKeeper(self)
        self.prompts = PromptKeeper(self.pool)

    async def started(self) -> None:
        """Return when the services run; start them when nobody has."""
        if self._running:
            return
        if self._starting is None or (self._starting.done() and not self._running):
            self._starting = asyncio.ensure_future(self._start())
        await asyncio.shield(self._starting)

    async def _start(self) -> None:
        await self.pool.open()  # without waiting: a pool that waited in vain closes itself for good
        await self.store.load()
        await self.states.take_up()
        jobs: list[Callable[[], Awaitable[None]]] = [self.recorder.run, self.pulse.run, self.lines.run]
        jobs += [self.limits.ledger.run, self.states.run, self.prompts.run]
        jobs += [self.probes.run] if self.probes else []
        jobs += self.beside
        jobs += [partial(job, self) for job in (*JOBS, self.metrics.run)]
        self.tasks = [asyncio.ensure_future(guarded(job)) for job in jobs]
        self._running = True

    async def stop(self) -> None:
        """Flush the log, end every task, close every connection."""
        if not self._running:
            return
        self._running = False
        await self.recorder.stop()
        await self.prompts.stop()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.limits.ledger.stop()
        self.metrics.close(self)
        if self.traces:
            await asyncio.to_thread(self.traces.close)
        await say_goodbye(self)  # after the last heartbeat, which would put the worker on the list again
        await self.lines.flush()
        for wire in self.wires.values():
            await wire.close()
        if self.probes:
            await self.probes.close()
        await self.pool.close()

    def snapshot(self) -> Snapshot:
        """What serves now. Raises Unavailable before there is anything."""
        if not self.store.is_loaded:
            raise Unavailable(
                "This gateway has no catalogue yet; it is starting, or its database does not answer.",
                code="starting",
                retry_after=2.0,
            )
        return self.store.current

    def grants_of(self, caller: Caller) -> Grants:
        """What the caller's key may reach, as routing reads it."""
        known = self._grants.get(caller.key_id)
        if known is not None and known[0] is caller:
            return known[1]
        if len(self._grants) > 50_000:
            self._grants.clear()
        grants = Grants(
            aliases=caller.aliases,
            policies=caller.policies,
            highest_tier=caller.highest_tier,
            direct_calls=caller.direct_calls,
            priced_only=caller.spends_money,
        )
        self._grants[caller.key_id] = (caller, grants)
        return grants

    def client_address(self, scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> str:
        """The client's address: the n-th from the right of X-Forwarded-For, or the peer's own."""
        proxies = self.config.trusted_proxies
        if proxies:
            hops = headers.get(b"x-forwarded-for", b"").decode("latin-1").split(",")
            if len(hops) >= proxies and hops[-proxies].strip():
                return hops[-proxies].strip()[:64]
        client = scope.get("client")
        return client[0] if client else ""

    def not_ready(self) -> str:
        """Why this worker should get no requests now; empty when it should."""
        if self.lifecycle.draining:
            return "draining"
        if not self._running or not self.store.is_loaded:
            return "starting"
        return ""


async def guarded(job: Callable[[], Awaitable[None]]) -> None:
    """A background task; when it dies by mistake the log says so and it begins again."""
    while True:
        try:
            return await job()
        except Exception:
            log.exception("a background task failed")
            await asyncio.sleep(1.0)
