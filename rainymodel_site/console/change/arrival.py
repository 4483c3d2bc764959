"""How a published revision reaches the workers: which of them serve it, since when, and who is late."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from gateway.models import Worker
from rainymodel_site.console.board import labels
from routing.models import CatalogueRevision

LATE_AFTER = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Place:
    """One worker that is alive: the revision it serves, and since when."""

    name: str
    revision: int
    since: datetime | None
    has_it: bool


@dataclass(frozen=True, slots=True)
class Arrival:
    """A revision on its way. `silent` workers are presumed dead and not waited for."""

    number: int
    places: tuple[Place, ...]
    is_late: bool
    silent: int

    @property
    def missing(self) -> tuple[Place, ...]:
        """The workers that do not serve it yet."""
        return tuple(place for place in self.places if not place.has_it)

    @property
    def is_complete(self) -> bool:
        """Whether every worker that is alive serves it, and there is one."""
        return bool(self.places) and not self.missing


def read_arrival(number: int) -> Arrival | None:
    """How far the revision has come; None when there is no such revision."""
    revision = CatalogueRevision.objects.filter(number=number).only("published_at").first()
    if revision is None:
        return None
    now = timezone.now()
    workers = list(Worker.objects.all())
    alive = [worker for worker in workers if not worker.silent(now)]
    names = labels(alive)
    return Arrival(
        number=number,
        places=tuple(
            Place(names[worker.pk], worker.revision, worker.revision_since, worker.revision >= number)
            for worker in alive
        ),
        is_late=now - revision.published_at > LATE_AFTER,
        silent=len(workers) - len(alive),
    )


def wait_until_arrived(
    number: int, patience: float, sleep: Callable[[float], None] = time.sleep
) -> Arrival | None:
    """Look again and again until every worker serves the revision, or `patience` seconds are over."""
    until = time.monotonic() + patience
    while True:
        arrival = read_arrival(number)
        if arrival is None or arrival.is_complete or not arrival.places or time.monotonic() > until:
            return arrival
        sleep(0.1)
