"""What operators ordered, as one worker keeps it: read from the table, laid upon the worker's health again and again.

An order outlasts what would end it here: a success that was under way, a new credential, a deployment that comes
into the catalogue later, a restart of the worker.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import psycopg_pool

from gateway.live import Live
from gateway.states.standing import OPEN as IS_OPEN
from gateway.states.standing import standing
from routing.engine.snapshot import Deployment, Snapshot

OPEN, HOLD = "open", "hold"  # the orders that last; the others are obeyed once
# An order without an end is laid upon the health for a day, and again before that is over.
DAY = 86_400.0
# The newest order about each deployment and each provider, of those that came since.
NEW = """
SELECT DISTINCT ON (deployment, provider)
    id, what, deployment, provider, extract(epoch FROM until - now())::float
FROM gateway_upstreamorder WHERE id > %s
ORDER BY deployment, provider, id DESC
"""


@dataclass(frozen=True, slots=True)
class Order:
    """One order about a deployment or a provider, whichever is not empty. `until` is on the worker's clock."""

    number: int
    what: str
    deployment: str
    provider: str
    until: float | None

    @property
    def subject(self) -> tuple[str, str]:
        """What it is about: a newer order about the same takes its place."""
        return self.deployment, self.provider

    def deployments_in(self, snapshot: Snapshot) -> list[Deployment]:
        """Those that it concerns here; a worker may not know any."""
        if self.deployment:
            found = snapshot.deployments.get(self.deployment)
            return [] if found is None else [found]
        return [one for one in snapshot.deployments.values() if one.provider.slug == self.provider]


class Orders:
    """The orders in force, and how far this worker has read."""

    def __init__(self, pool: psycopg_pool.AsyncConnectionPool) -> None:
        self._pool = pool
        self._read_to = 0
        self._has_read = False
        self._in_force: dict[tuple[str, str], Order] = {}

    async def read(self, now: float) -> list[Order]:
        """The new orders, oldest first; of those from before the first look only the ones that last.

        Raises psycopg.Error, OSError or TimeoutError.
        """
        async with self._pool.connection(timeout=2) as connection:
            rows = await (await connection.execute(NEW, (self._read_to,))).fetchall()
        found = [
            Order(number, what, deployment, provider, None if left is None else now + left)
            for number, what, deployment, provider, left in rows
        ]
        self._read_to = max((order.number for order in found), default=self._read_to)
        if not self._has_read:
            found = [order for order in found if order.what in (OPEN, HOLD)]
        self._has_read = True
        return sorted(found, key=lambda order: order.number)

    def take(self, orders: Iterable[Order], live: Live, snapshot: Snapshot) -> None:
        """Let these be in force: what ends a trouble does so once, what makes one is kept by `keep`."""
        for order in orders:
            self._in_force.pop(order.subject, None)
            match order.what:
                case "close":
                    for deployment in order.deployments_in(snapshot):
                        live.close(deployment)
                case "release":
                    live.let_go(order.deployments_in(snapshot))
                case _:
                    self._in_force[order.subject] = order

    def keep(self, live: Live, snapshot: Snapshot, now: float) -> None:
        """Lay every order in force upon the health, where it is not there; those that are over are forgotten."""
        for order in list(self._in_force.values()):
            until = now + DAY if order.until is None else order.until
            if until <= now:
                del self._in_force[order.subject]
                continue
            enough = now + DAY / 2 if order.until is None else until - 0.5
            missing = [
                one for one in order.deployments_in(snapshot) if kept_until(order, live, one, now) < enough
            ]
            if order.what == OPEN:
                for deployment in missing:
                    live.open(deployment, until)
            elif order.what == HOLD and missing:
                live.hold(missing, until)


def kept_until(order: Order, live: Live, deployment: Deployment, now: float) -> float:
    """Until when the health keeps requests away, in the way that the order wants."""
    found = standing(live.health, deployment, now)
    if order.what == OPEN:
        return found.until if found.circuit == IS_OPEN else 0.0
    return found.held_until
