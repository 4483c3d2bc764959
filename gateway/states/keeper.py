"""The job beside serving that keeps health, orders and the operators' page together, about once a second."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
import structlog

from gateway.live import NEIGHBOUR
from gateway.states.orders import Orders
from gateway.states.report import Report, worth_telling

if TYPE_CHECKING:
    from gateway.services import Services

log = structlog.get_logger("gateway.states")
EVERY = 1.0
READ_ORDERS_EVERY = 2  # rounds; a notification comes sooner
REPORT_EVERY = 30  # rounds, also without a change: whatever became of the rows
CHANNEL = "rainymodel_upstreams"  # a trigger of the migration notifies it


class StateKeeper:
    """Owns what this worker has read of the orders and written of its states."""

    def __init__(self, services: "Services") -> None:
        self._services = services
        self.orders = Orders(services.pool)
        self.report = Report(services.pool, services.config.worker_id)
        self._one_reader = asyncio.Lock()  # an older answer must not overtake a newer one

    async def take_up(self) -> None:
        """Before the first request: what other workers found out, and the orders in force.

        A deployment that another worker keeps away from begins half-open here, so that a restart sends no crowd
        to it. Without a database the worker begins knowing nothing.
        """
        services = self._services
        with suppress(psycopg.Error, OSError, TimeoutError):
            known = services.store.current.deployments
            elsewhere = await self.report.open_elsewhere()
            services.live.half_open([known[slug] for slug in elsewhere if slug in known], NEIGHBOUR)
            await self.read_orders()

    async def read_orders(self) -> None:
        """Take up what operators ordered since. Raises psycopg.Error, OSError or TimeoutError."""
        services = self._services
        async with self._one_reader:
            orders = await self.orders.read(services.clock())
            self.orders.take(orders, services.live, services.store.current)
        self.keep()

    def keep(self) -> None:
        """Lay the orders in force upon the health."""
        services = self._services
        self.orders.keep(services.live, services.store.current, services.clock())

    async def run(self) -> None:
        """Until it is cancelled. Without a database the last known orders are kept."""
        turn = 0
        while True:
            turn += 1
            self.keep()
            with suppress(psycopg.Error, OSError, TimeoutError):
                await self.tell(anyway=turn % REPORT_EVERY == 0)
                if turn % READ_ORDERS_EVERY == 0:
                    await self.read_orders()
                await self.report.write_running(self._services.live.running, anyway=turn % REPORT_EVERY == 0)
            await asyncio.sleep(EVERY)

    async def tell(self, *, anyway: bool = False) -> None:
        """Write how every deployment stands, when that has changed. Raises psycopg.Error, OSError or TimeoutError."""
        services, now = self._services, self._services.clock()
        live, deployments = services.live, services.store.current.deployments
        found = live.changes.sweep(live.health, deployments, now)
        await self.report.write(worth_telling(deployments, found, live.changes.tracks), now, anyway=anyway)
