"""What one worker has learnt about its upstreams. A value: every change returns another `Health`.

Unhealthy outcomes open a circuit per deployment; throttles and configuration faults hold a deployment;
quota and credential faults hold the whole provider, because its other deployments share the account.
Pages read `states` by deployment slug, `holds` and `in_flight` by provider slug.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from routing.engine.circuit import (
    LONGEST_QUOTA_HOLD,
    NO_TROUBLE,
    State,
    clamped,
    failed,
    held,
    succeeded,
    throttled,
)
from routing.engine.outcome import Fault, Outcome
from routing.engine.snapshot import Deployment

QUOTA_HOLD = 900.0
CREDENTIAL_HOLD = 300.0
CONFIGURATION_HOLD = 300.0
SHORT_WAIT = 1.0  # what a caller is told when the end of a probe or of a busy moment cannot be known
SMOOTHING = 0.2  # the share of the newest time in the smoothed one

FREE = ("", 0.0)


@dataclass(frozen=True, slots=True)
class Hold:
    """A provider that is not asked before `until`; `word` names the outcome that caused it."""

    until: float
    word: str


@dataclass(frozen=True, slots=True)
class Health:
    """Start with `Health()`; feed it one outcome per attempt; ask it for reasons to skip a deployment.

    `first_content` is the smoothed time to first content by deployment slug. A deployment that failed
    before it was ever measured counts with its limit, so that it is treated as unknown only once.
    """

    states: Mapping[str, State] = field(default_factory=dict)
    holds: Mapping[str, Hold] = field(default_factory=dict)
    in_flight: Mapping[str, int] = field(default_factory=dict)
    first_content: Mapping[str, float] = field(default_factory=dict)

    @property
    def quiet(self) -> bool:
        """True when nothing speaks against any deployment."""
        return not (self.states or self.holds or self.in_flight)

    def after(self, deployment: Deployment, outcome: Outcome, *, now: float, draw: float = 1.0) -> "Health":
        """The health once this outcome is known; `self` when it teaches nothing.

        `draw` in [0, 1] shortens the time a circuit stays open (jitter).
        """
        state = self.states.get(deployment.slug, NO_TROUBLE)
        match outcome.fault:
            case Fault.NONE:
                return self._timed(deployment, outcome)._recovered(deployment, state, now)
            case Fault.UNHEALTHY:
                state = failed(state, deployment.provider.breaker, now, draw)
                return self._timed(deployment, outcome)._with_state(deployment, state)
            case Fault.THROTTLED:
                return self._with_state(deployment, throttled(state, outcome.word, outcome.retry_after, now))
            case Fault.CONFIGURATION:
                return self._with_state(deployment, held(state, outcome.word, now + CONFIGURATION_HOLD))
            case Fault.CREDENTIAL:
                return self._with_hold(deployment, Hold(now + CREDENTIAL_HOLD, outcome.word))
            case Fault.QUOTA:
                pause = QUOTA_HOLD
                if outcome.retry_after is not None:
                    pause = clamped(outcome.retry_after, LONGEST_QUOTA_HOLD)
                return self._with_hold(deployment, Hold(now + pause, outcome.word))
            case _:
                return self

    def skip_reason(self, deployment: Deployment, now: float) -> tuple[str, float]:
        """`held`, `busy`, `circuit_open` or empty, and the seconds until it may be tried.

        When several reasons apply the first of them is named, with the longest time.
        """
        state = self.states.get(deployment.slug)
        if state is None and not self.holds and not self.in_flight:
            return FREE
        circuit_wait = _circuit_wait(state, now) if state is not None else 0.0
        held_until = self._held_until(deployment, state)
        if now < held_until:
            return "held", max(held_until - now, circuit_wait)
        if self._busy(deployment):
            return "busy", max(SHORT_WAIT, circuit_wait)
        return ("circuit_open", circuit_wait) if circuit_wait else FREE

    def last_chance(self, deployments: Iterable[Deployment], now: float) -> Deployment | None:
        """Of deployments that are all skipped, the one whose open circuit is closest to its probe.

        None when no circuit is the reason, or when somebody is trying that one already.
        """
        closest, closest_at = None, float("inf")
        for deployment in deployments:
            state = self.states.get(deployment.slug)
            if state is None or state.open_until is None or state.open_until >= closest_at:
                continue
            if self.skip_reason(deployment, now)[0] == "circuit_open":
                closest, closest_at = deployment, state.open_until
        if closest is None or self.states[closest.slug].claimed(now):
            return None
        return closest

    def claim(self, deployment: Deployment, now: float) -> "Health | None":
        """Take the probe of a circuit that is not closed; None when somebody else has it.

        `self` when the circuit is closed: nothing to claim, nothing to release. A claim ends with
        `release`, or by itself when the attempt must be over in any case.
        """
        state = self.states.get(deployment.slug)
        if state is None or state.open_until is None:
            return self
        if state.claimed(now):
            return None
        return self._with_state(deployment, replace(state, probe_until=now + deployment.limits.total))

    def release(self, deployment: Deployment) -> "Health":
        """Give the probe back, after its outcome; only for the caller whose claim changed the health."""
        state = self.states.get(deployment.slug, NO_TROUBLE)
        return self._with_state(deployment, replace(state, probe_until=0.0)) if state.probe_until else self

    def started(self, deployment: Deployment) -> "Health":
        """An attempt begins; counted where the provider has a concurrency limit.

        Call `ended` with the same deployment: a newer revision may have another limit.
        """
        if deployment.provider.concurrency_limit is None:
            return self
        running = self.in_flight.get(deployment.provider.slug, 0)
        return replace(self, in_flight={**self.in_flight, deployment.provider.slug: running + 1})

    def ended(self, deployment: Deployment) -> "Health":
        """An attempt is over, however it went."""
        slug = deployment.provider.slug
        if deployment.provider.concurrency_limit is None or slug not in self.in_flight:
            return self
        in_flight = {**self.in_flight, slug: self.in_flight[slug] - 1}
        if not in_flight[slug]:
            del in_flight[slug]
        return replace(self, in_flight=in_flight)

    def _held_until(self, deployment: Deployment, state: State | None) -> float:
        hold = self.holds.get(deployment.provider.slug)
        return max(hold.until if hold else 0.0, state.held_until if state else 0.0)

    def _busy(self, deployment: Deployment) -> bool:
        limit = deployment.provider.concurrency_limit
        return limit is not None and self.in_flight.get(deployment.provider.slug, 0) >= limit

    def _with_state(self, deployment: Deployment, state: State) -> "Health":
        if state == self.states.get(deployment.slug, NO_TROUBLE):
            return self
        states = {**self.states, deployment.slug: state}
        if state == NO_TROUBLE:
            del states[deployment.slug]
        return replace(self, states=states)

    def _recovered(self, deployment: Deployment, state: State, now: float) -> "Health":
        """After a success: the deployment's troubles shrink, and its provider's past hold is forgotten."""
        changed = self if state is NO_TROUBLE else self._with_state(deployment, succeeded(state, now))
        hold = self.holds.get(deployment.provider.slug)
        if hold is None or now < hold.until:
            return changed
        others = {slug: kept for slug, kept in self.holds.items() if kept is not hold}
        return replace(changed, holds=others)

    def _with_hold(self, deployment: Deployment, hold: Hold) -> "Health":
        """The provider's hold, unless an older one lasts longer."""
        slug = deployment.provider.slug
        older = self.holds.get(slug)
        if older is not None and older.until >= hold.until:
            return self
        return replace(self, holds={**self.holds, slug: hold})

    def _timed(self, deployment: Deployment, outcome: Outcome) -> "Health":
        known = self.first_content.get(deployment.slug)
        seconds = outcome.first_content
        if seconds is None and known is None and outcome.fault is Fault.UNHEALTHY:
            seconds = deployment.limits.first_content
        if seconds is None:
            return self
        smoothed = seconds if known is None else known + SMOOTHING * (seconds - known)
        if smoothed == known:
            return self
        return replace(self, first_content={**self.first_content, deployment.slug: smoothed})


def _circuit_wait(state: State, now: float) -> float:
    """Seconds until a request may probe; 0 when it may pass now."""
    if state.open_until is None:
        return 0.0
    if now < state.open_until:
        return state.open_until - now
    return SHORT_WAIT if state.claimed(now) else 0.0
