"""The worker's live view of its upstreams: the one owner of a `Health` that changes with every outcome."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

import structlog

from gateway.states.changes import Changes
from gateway.upstream.classify import seconds_to_probe
from routing.engine.circuit import NO_TROUBLE, State, free
from routing.engine.health import OPERATOR, Health
from routing.engine.outcome import Fault, Outcome
from routing.engine.snapshot import Deployment

log = structlog.get_logger("gateway.health")
TOLD = frozenset({Fault.QUOTA, Fault.CREDENTIAL, Fault.CONFIGURATION})
BLAMELESS = frozenset({Fault.NONE, Fault.REQUEST, Fault.CLIENT})
PROBED, NEIGHBOUR = "free_probe", "another_worker"


class Live:
    """Reads are `health`; every change goes through here. `changes` knows what became of each deployment."""

    def __init__(self, clock: Callable[[], float], draw: Callable[[], float]) -> None:
        self._clock, self._draw = clock, draw
        self.health = Health()
        self.changes = Changes()
        self.running: Counter[str] = Counter()  # attempts on their way, by provider slug
        self.opened_by_order: dict[str, float] = {}  # deployment slug → until when an operator keeps it open

    def begin(self, deployment: Deployment) -> float:
        """An attempt starts; when it took the probe of a circuit that is not closed, the probe's mark, else 0."""
        before = self.health
        claimed = before.claim(deployment, self._clock()) or before
        self.health = claimed.started(deployment)
        self.running[deployment.provider.slug] += 1
        return 0.0 if claimed is before else claimed.probe_of(deployment)

    def end(self, deployment: Deployment, outcome: Outcome, *, probe: float) -> None:
        """The attempt is over: learn from its outcome, give back what `begin` took, whose answer `probe` is."""
        self.note(deployment, outcome)
        self.withdraw(deployment, probe=probe)

    def withdraw(self, deployment: Deployment, *, probe: float) -> None:
        """Give back what `begin` took and learn nothing."""
        self.running[deployment.provider.slug] -= 1
        self.health = self.health.ended(deployment)
        if probe:
            self.health = self.health.release(deployment, probe)

    def clear(self, deployment: Deployment) -> None:
        """It is known to answer, an operator tried it: forget what kept it and its provider from being asked."""
        self._turn(self.health.cleared(deployment), [deployment], OPERATOR)

    def note(self, deployment: Deployment, outcome: Outcome) -> None:
        """Learn from an attempt's outcome; what operators must act on goes to the log."""
        before, now = self.health, self._clock()
        if outcome.fault is Fault.QUOTA:
            outcome = until_it_returns(outcome, deployment)
        # Full jitter would let a circuit reopen at once; half to full spreads probes just as well.
        after = self.health = before.after(deployment, outcome, now=now, draw=0.5 + self._draw() / 2)
        if outcome.fault not in BLAMELESS:
            self.changes.failed(deployment, outcome, now)
        if differ(before, after, deployment.slug):
            self.changes.look(after, deployment, now, outcome.word or "worked")
        if outcome.fault in TOLD:
            log.warning(
                "upstream needs an operator",
                deployment=deployment.slug,
                word=outcome.word,
                status=outcome.status,
            )

    def open(self, deployment: Deployment, until: float) -> None:
        """An operator keeps requests away from it until this moment of the clock."""
        self.opened_by_order[deployment.slug] = until
        self._turn(self.health.opened_by_operator(deployment, until), [deployment], OPERATOR)

    def close(self, deployment: Deployment) -> None:
        """An operator has its troubles forgotten."""
        self.opened_by_order.pop(deployment.slug, None)
        self._turn(self.health.closed_by_operator(deployment), [deployment], OPERATOR)

    def hold(self, deployments: Iterable[Deployment], until: float) -> None:
        """An operator holds these deployments, all of one provider, until this moment of the clock."""
        held, concerned = self.health, list(deployments)
        for deployment in concerned:
            held = held.held_by_operator(deployment, until)
        self._turn(held, concerned, OPERATOR)

    def let_go(self, deployments: Iterable[Deployment], word: str = OPERATOR) -> None:
        """End the holds of these deployments and of their provider; circuits stay as they are."""
        freed, concerned = self.health, list(deployments)
        for deployment in concerned:
            freed = without_hold(freed, deployment)
        self._turn(freed, concerned, word)

    def half_open(self, deployments: Iterable[Deployment], word: str) -> None:
        """One request at a time may try these, from now on."""
        opened, concerned = self.health, list(deployments)
        for deployment in concerned:
            opened = opened.half_open(deployment, self._clock())
        self._turn(opened, concerned, word)

    def _turn(self, health: Health, deployments: Iterable[Deployment], word: str) -> None:
        self.health = health
        for deployment in deployments:
            self.changes.look(health, deployment, self._clock(), word)


def until_it_returns(outcome: Outcome, deployment: Deployment) -> Outcome:
    """A quota that is used up, with the pause of the provider's quota window where the upstream named none."""
    window = deployment.provider.quota_window
    if window is None or outcome.retry_after is not None:
        return outcome
    return replace(outcome, retry_after=seconds_to_probe(datetime.now(UTC), window))


def differ(before: Health, after: Health, slug: str) -> bool:
    """Whether what keeps requests from a deployment may have changed; most outcomes change a time or a count alone."""
    if after.holds is not before.holds or after.slow is not before.slow:
        return True
    if after.states is before.states:
        return False
    old, new = before.states.get(slug, NO_TROUBLE), after.states.get(slug, NO_TROUBLE)
    return old.open_until != new.open_until or old.held_until != new.held_until


def without_hold(health: Health, deployment: Deployment) -> Health:
    """The same without the deployment's own hold and without its provider's."""
    states, owner = dict(health.states), deployment.provider.slug
    if (state := states.get(deployment.slug)) is not None:
        states[deployment.slug] = free(state)
        if states[deployment.slug] == State(access=state.access):
            del states[deployment.slug]
    return replace(health, states=states, holds={s: kept for s, kept in health.holds.items() if s != owner})
