"""Every change of a deployment's state: one line of the log, one more on its counters."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from gateway.states.standing import CLOSED, HELD, OPEN, Standing, standing
from routing.engine.health import Health
from routing.engine.outcome import Outcome
from routing.engine.snapshot import Deployment

log = structlog.get_logger("gateway.health")


@dataclass(slots=True)
class Track:
    """One deployment since this worker started: its state and since when, how often it changed, how it last failed."""

    state: str = CLOSED
    since: float = 0.0
    opened: int = 0
    held: int = 0
    last_word: str = ""
    last_status: int | None = None
    last_at: float = 0.0


class Changes:
    """Remembers the state each deployment was last seen in; only deployments that ever had trouble are kept."""

    def __init__(self) -> None:
        self.tracks: dict[str, Track] = {}

    def failed(self, deployment: Deployment, outcome: Outcome, now: float) -> None:
        """Remember the newest failure."""
        track = self.tracks.setdefault(deployment.slug, Track(since=now))
        track.last_word, track.last_status, track.last_at = outcome.word, outcome.status, now

    def look(self, health: Health, deployment: Deployment, now: float, word: str) -> Standing:
        """How it stands now; when that is another state than before, it is logged and counted.

        `word` says what brought it about, an outcome's word or one of ours.
        """
        found = standing(health, deployment, now)
        track = self.tracks.get(deployment.slug)
        before = CLOSED if track is None else track.state
        if found.state == before:
            return found
        track = self.tracks.setdefault(deployment.slug, Track())
        log.info(
            "upstream state changed",
            **{"from": before, "to": found.state},
            deployment=deployment.slug,
            word=word,
            seconds=round(max(0.0, (found.held_until or found.until) - now), 1),
        )
        track.state, track.since = found.state, now
        track.opened += found.state == OPEN
        track.held += found.state == HELD
        return found

    def sweep(self, health: Health, deployments: Mapping[str, Deployment], now: float) -> dict[str, Standing]:
        """Look at every deployment that is or was in trouble, for what time alone has changed: how each one stands.

        Those that are gone from the catalogue are forgotten.
        """
        for slug in self.tracks.keys() - deployments.keys():
            del self.tracks[slug]
        slugs = self.tracks.keys() | concerned(health, deployments)
        return {slug: self.look(health, deployments[slug], now, "time") for slug in slugs}


def concerned(health: Health, deployments: Mapping[str, Deployment]) -> set[str]:
    """The slugs of those against which something speaks, or did a moment ago."""
    found = (health.states.keys() | health.slow.keys()) & deployments.keys()
    if health.holds:
        found |= {slug for slug, one in deployments.items() if one.provider.slug in health.holds}
    return found
