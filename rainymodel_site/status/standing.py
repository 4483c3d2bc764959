"""How each listed alias does now, and did on each of the last ninety days."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from gateway.models import Worker
from gateway.state_models import UpstreamState
from gateway.states.standing import HELD, OPEN
from gateway.traffic.figures import Figures
from gateway.traffic.reading import by, series
from gateway.traffic.window import Window
from routing.publish import newest_revision

UP, DEGRADED, DOWN, UNKNOWN = "up", "degraded", "down", "unknown"
WORST_FIRST = (DOWN, DEGRADED, UP)
DAYS = 90
RECENT_MINUTES = 10
FEW = 5  # requests; fewer say nothing about a moment
GOOD, FAIR = 0.99, 0.95  # shares of requests that must work for a day to be up, degraded


@dataclass(frozen=True, slots=True)
class Day:
    """One day of an alias. `share` (0 to 1) of its requests worked; None without any."""

    date: date
    share: float | None

    @property
    def word(self) -> str:
        """How the day was."""
        return UNKNOWN if self.share is None else word_for(self.share)


@dataclass(frozen=True, slots=True)
class AliasStatus:
    """An alias: how it does now, and its days, oldest first. `share` is that of all days together."""

    name: str
    word: str
    share: float | None
    days: tuple[Day, ...]


@dataclass(frozen=True, slots=True)
class Status:
    """Everything at `at`."""

    word: str
    aliases: tuple[AliasStatus, ...]
    at: datetime


def read_status(now: datetime) -> Status:
    """Read it all; a few reads of roll-ups. Raises django.db.Error."""
    if not Worker.objects.filter(heartbeat_at__gt=now - Worker.SILENT_AFTER).exists():
        return Status(DOWN, (), now)
    routes = listed_routes()
    out = unavailable(now)
    recent = {group.names[0]: group.figures for group in by(Window.last(RECENT_MINUTES / 60, now), "alias")}
    past = days_of(now)
    aliases = tuple(
        alias_status(name, word_now(deployments, out, recent.get(name, Figures())), past.get(name, {}), now)
        for name, deployments in sorted(routes.items())
    )
    words = {alias.word for alias in aliases}
    everything_down = words == {DOWN}
    overall = DOWN if everything_down else DEGRADED if words & {DOWN, DEGRADED} else UP
    return Status(overall, aliases, now)


def alias_status(name: str, word: str, past: Mapping[date, Figures], now: datetime) -> AliasStatus:
    """One alias with its days."""
    first = now.date() - timedelta(days=DAYS - 1)
    dates = [first + timedelta(days=number) for number in range(DAYS)]
    total = sum(past.values(), Figures())
    return AliasStatus(name, word, worked(total), tuple(Day(each, worked_on(past, each)) for each in dates))


def word_now(deployments: Iterable[str], out: frozenset[str], recent: Figures) -> str:
    """down when nothing can answer; degraded when some of it cannot, or requests fail."""
    routed = list(deployments)
    left = [slug for slug in routed if slug not in out]
    share = worked(recent)
    if not left or (share is not None and recent.requests >= FEW and share < 0.5):
        return DOWN
    if share is not None and recent.requests >= FEW and share < FAIR:
        return DEGRADED
    return UP if len(left) == len(routed) else DEGRADED


def worked(figures: Figures) -> float | None:
    """The share that worked of what could have; a client's mistake or leaving is nobody's failure."""
    failed = figures.upstream_error + figures.truncated + figures.lost
    judged = figures.ok + failed
    return figures.ok / judged if judged else None


def worked_on(past: Mapping[date, Figures], day: date) -> float | None:
    """The share of one day."""
    return worked(past[day]) if day in past else None


def word_for(share: float) -> str:
    """How a share is called."""
    return UP if share >= GOOD else DEGRADED if share >= FAIR else DOWN


def listed_routes() -> dict[str, list[str]]:
    """Each listed alias of what serves, with the deployments that are switched on for it."""
    newest = newest_revision()
    document: Mapping[str, Any] = (
        newest.document if newest else {"aliases": [], "deployments": [], "providers": []}
    )
    providers = {entry["slug"] for entry in document["providers"] if entry["enabled"]}
    usable = {
        entry["slug"]
        for entry in document["deployments"]
        if entry["enabled"] and entry["provider"] in providers
    }
    return {
        entry["name"]: [
            route["deployment"]
            for route in entry["routes"]
            if route["enabled"] and route["deployment"] in usable
        ]
        for entry in document["aliases"]
        if entry["enabled"] and entry["listed"] and "*" not in entry["name"]
    }


def unavailable(now: datetime) -> frozenset[str]:
    """Deployments that every living worker keeps requests from."""
    alive = now - Worker.SILENT_AFTER
    workers = set(Worker.objects.filter(heartbeat_at__gt=alive).values_list("pk", flat=True))
    against: dict[str, set[Any]] = defaultdict(set)
    rows = UpstreamState.objects.filter(worker__in=workers, state__in=(OPEN, HELD))
    for slug, worker in rows.values_list("deployment", "worker"):
        against[slug].add(worker)
    return frozenset(slug for slug, found in against.items() if found == workers)


def days_of(now: datetime) -> dict[str, dict[date, Figures]]:
    """Each alias's figures by day."""
    found: dict[str, dict[date, Figures]] = defaultdict(dict)
    for point in series(Window.last(DAYS * 24, now), by="alias", step="day", latencies=False):
        found[point.name][point.at.date()] = point.figures
    return found
