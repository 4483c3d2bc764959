"""The worker's live view of its upstreams: the one owner of a `Health` that changes with every outcome."""

from collections.abc import Callable

import structlog

from routing.engine.health import Health
from routing.engine.outcome import Fault, Outcome
from routing.engine.snapshot import Deployment

log = structlog.get_logger("gateway.health")
TOLD = frozenset({Fault.QUOTA, Fault.CREDENTIAL, Fault.CONFIGURATION})


class Live:
    """Reads are `health`; every change goes through here."""

    def __init__(self, clock: Callable[[], float], draw: Callable[[], float]) -> None:
        self._clock, self._draw = clock, draw
        self.health = Health()

    def begin(self, deployment: Deployment) -> bool:
        """An attempt starts; True when it took the probe of a circuit that is not closed."""
        before = self.health
        claimed = before.claim(deployment, self._clock()) or before
        self.health = claimed.started(deployment)
        return claimed is not before

    def end(self, deployment: Deployment, outcome: Outcome, *, probe: bool) -> None:
        """The attempt is over: learn from its outcome, give back what `begin` took."""
        self.note(deployment, outcome)
        self.health = self.health.ended(deployment)
        if probe:
            self.health = self.health.release(deployment)

    def clear(self, deployment: Deployment) -> None:
        """It is known to answer, an operator tried it: forget what kept it and its provider from being asked."""
        self.health = self.health.cleared(deployment)

    def note(self, deployment: Deployment, outcome: Outcome) -> None:
        """Learn from an attempt's outcome; what operators must act on goes to the log."""
        before = self.health
        # Full jitter would let a circuit reopen at once; half to full spreads probes just as well.
        self.health = before.after(deployment, outcome, now=self._clock(), draw=0.5 + self._draw() / 2)
        if outcome.fault in TOLD:
            log.warning(
                "upstream needs an operator",
                deployment=deployment.slug,
                word=outcome.word,
                status=outcome.status,
            )
        elif self.health.states.keys() != before.states.keys():
            log.info("upstream state changed", deployment=deployment.slug, word=outcome.word or "worked")
