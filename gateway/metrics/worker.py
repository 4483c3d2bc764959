"""This worker's figures: counted here, written for the other workers every second, told for all of them when asked."""

import asyncio
from typing import TYPE_CHECKING, Any

from gateway.metrics.counts import Counts
from gateway.metrics.exposition import Figures, Present, text
from gateway.metrics.gauges import read_circuits, read_gauges, read_running
from gateway.metrics.shelf import Shelf

if TYPE_CHECKING:
    from gateway.services import Services

WRITE_SECONDS = 1.0
FOLD_EVERY = 60  # writes
COUNTS, GAUGES, CIRCUITS, RUNNING, NUMBER = "counts", "gauges", "circuits", "running", "worker"


class Metrics:
    """`counts` belongs to the event loop. `run` is a background job; `close` is called once at the end."""

    def __init__(self, shelf: Shelf, number: str) -> None:
        self.counts = Counts()
        self._shelf, self._number = shelf, number

    async def run(self, services: "Services") -> None:
        """Write this worker's figures until cancelled, and now and then those of the dead into one."""
        await asyncio.to_thread(self._shelf.open)
        turn = 0
        while True:
            if turn % FOLD_EVERY == 0:
                await asyncio.to_thread(self._shelf.fold, added)
            await asyncio.to_thread(self._shelf.write, self._own(services))
            turn += 1
            await asyncio.sleep(WRITE_SECONDS)

    def close(self, services: "Services") -> None:
        """Leave the last figures for the workers that stay."""
        self._shelf.write(self._own(services))
        self._shelf.close()

    async def tell(self, services: "Services", accept: str) -> tuple[bytes, str]:
        """All workers' figures as text, and its content type."""
        return await asyncio.to_thread(self._tell, self._own(services), accept, services.config.version)

    def _tell(self, own: dict[str, Any], accept: str, version: str) -> tuple[bytes, str]:
        total = Counts()
        present: Present = {}
        for figures, lives in self._shelf.others():
            total.add(figures.get(COUNTS, {}))
            if lives:
                present |= present_of(figures)
        total.add(own[COUNTS])
        present |= present_of(own)  # where a worker's successor has its number already, one of them is told
        return text(Figures(total, present, version), accept)

    def _own(self, services: "Services") -> dict[str, Any]:
        """Copied in the loop's own thread: the counts go on meanwhile."""
        counts = {
            name: [(labels, list(numbers)) for labels, numbers in rows]
            for name, rows in self.counts.document().items()
        }
        return {
            COUNTS: counts,
            GAUGES: read_gauges(services),
            CIRCUITS: read_circuits(services),
            RUNNING: read_running(services),
            NUMBER: self._number,
        }


def present_of(figures: dict[str, Any]) -> Present:
    """A worker's present, by its number."""
    parts = (figures.get(part, {}) for part in (GAUGES, CIRCUITS, RUNNING))
    return {str(figures.get(NUMBER, "")): tuple(parts)}


def added(gone: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    """The counts of both."""
    total = Counts()
    total.add(gone.get(COUNTS, {}))
    total.add(figures.get(COUNTS, {}))
    return {COUNTS: total.document()}
