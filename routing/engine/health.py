"""What one worker has learnt about its upstreams. A value: every change returns another `Health`.

Unhealthy outcomes open a circuit per deployment; throttles and configuration faults hold a deployment;
quota and credential faults hold the whole provider, because its other deployments share the account.
All of it is about the access it was learnt with (`Provider.access`): a new credential or address starts anew.
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
    free,
    half_opened,
    held,
    opened,
    succeeded,
    throttled,
)
from routing.engine.outcome import Fault, Outcome
from routing.engine.pace import Pace, about, marked
from routing.engine.snapshot import Deployment

QUOTA_HOLD = 900.0
CREDENTIAL_HOLD = 300.0
CONFIGURATION_HOLD = 300.0
BUSY = "busy"  # all places at the provider are taken
OPERATOR = "operator"  # the word of a hold that a person put in force
SHORT_WAIT = 1.0  # what a caller is told when the end of a probe or of a busy moment cannot be known
SMOOTHING = 0.2  # the share of the newest time in the smoothed one

FREE = ("", 0.0)


@dataclass(frozen=True, slots=True)
class Hold:
    """A provider that is not asked before `until`; `word` names the outcome that caused it.

    It is in force for the `access` that was refused and no other.
    """

    until: float
    word: str
    access: str = ""


NO_HOLD = Hold(0.0, "")
NO_PACE = Pace()
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class Health:
    """Start with `Health()`; feed it one outcome per attempt; ask it for reasons to skip a deployment.

    `first_content` is the smoothed time to first content by deployment slug. A deployment that failed
    before it was ever measured counts with its limit, so that it is treated as unknown only once. `paces` are
    what each deployment's own past says of that time, `slow` those that lost their place in their tier, with the
    moment from which one request at a time finds them at their old place.
    """

    states: Mapping[str, State] = field(default_factory=dict)
    holds: Mapping[str, Hold] = field(default_factory=dict)
    in_flight: Mapping[str, int] = field(default_factory=dict)
    first_content: Mapping[str, float] = field(default_factory=dict)
    paces: Mapping[str, Pace] = field(default_factory=dict)
    slow: Mapping[str, float] = field(default_factory=dict)

    @property
    def quiet(self) -> bool:
        """True when nothing keeps any deployment from being asked."""
        return not (self.states or self.holds or self.in_flight)

    def after(self, deployment: Deployment, outcome: Outcome, *, now: float, draw: float = 1.0) -> "Health":
        """The health once this outcome is known; `self` when it teaches nothing.

        `draw` in [0, 1] shortens the time a circuit stays open (jitter).
        """
        state = self._state(deployment)
        match outcome.fault:
            case Fault.NONE:
                return self._timed(deployment, outcome, now)._recovered(deployment, state, now)
            case Fault.UNHEALTHY:
                state = failed(state, deployment.provider.breaker, now, draw)
                return self._timed(deployment, outcome, now)._with_state(deployment, state)
            case Fault.THROTTLED:
                return self._with_state(deployment, throttled(state, outcome.word, outcome.retry_after, now))
            case Fault.CONFIGURATION:
                until = now + CONFIGURATION_HOLD
                return self._with_state(deployment, held(state, outcome.word, until, deployment.model))
            case Fault.CREDENTIAL:
                return self._with_hold(deployment, now + CREDENTIAL_HOLD, outcome.word)
            case Fault.QUOTA:
                pause = QUOTA_HOLD
                if outcome.retry_after is not None:
                    pause = clamped(outcome.retry_after, LONGEST_QUOTA_HOLD)
                return self._with_hold(deployment, now + pause, outcome.word)
            case _:
                return self

    def skip_reason(self, deployment: Deployment, now: float) -> tuple[str, float]:
        """`held`, `busy`, `circuit_open` or empty, and the seconds until it may be tried.

        When several reasons apply the first of them is named, with the longest time.
        """
        if self.quiet:
            return FREE
        state = self._state(deployment)
        circuit_wait = _circuit_wait(state, now)
        held_until = max(self._hold(deployment).until, state.held_until)
        if now < held_until:
            return "held", max(held_until - now, circuit_wait)
        if self._busy(deployment):
            return BUSY, max(SHORT_WAIT, circuit_wait)
        return ("circuit_open", circuit_wait) if circuit_wait else FREE

    def is_slow(self, deployment: Deployment, now: float) -> bool:
        """True while others of its tier go first: it answers, but many times slower than it used to."""
        until = self.slow.get(deployment.slug)
        if until is None or self._pace(deployment).about != about(deployment):
            return False
        return now < until or self._state(deployment).claimed(now)

    def held_for(self, deployment: Deployment) -> str:
        """The word of the outcome that a held deployment waits for; of two holds the longer one's."""
        hold, state = self._hold(deployment), self._state(deployment)
        return hold.word if hold.until >= state.held_until else state.held_for

    def cleared(self, deployment: Deployment) -> "Health":
        """Once it is known to answer: without its own troubles, and without its provider's hold.

        What was learnt with another access than this deployment's stays.
        """
        slug, owner = deployment.slug, deployment.provider.slug
        cleared = self
        if self._state(deployment) is not NO_TROUBLE:
            cleared = replace(cleared, states={s: kept for s, kept in self.states.items() if s != slug})
        if self._hold(deployment) is not NO_HOLD:
            cleared = replace(cleared, holds={s: kept for s, kept in self.holds.items() if s != owner})
        if slug in self.slow:
            cleared = replace(cleared, slow={s: kept for s, kept in self.slow.items() if s != slug})
        return cleared

    def opened_by_operator(self, deployment: Deployment, until: float) -> "Health":
        """Its circuit is open until this moment of the clock, then half-open, like one that failures opened.

        When everything else is skipped too it may still be the last chance; a hold is what rules that out.
        """
        return self._with_state(deployment, opened(self._state(deployment), until))

    def closed_by_operator(self, deployment: Deployment) -> "Health":
        """An operator vouches for it: as `cleared`, so its own hold and its provider's end as well."""
        return self.cleared(deployment)

    def held_by_operator(self, deployment: Deployment, until: float) -> "Health":
        """Not asked before this moment, whatever it answers; a hold that lasts longer stays as it is."""
        return self._with_state(deployment, held(self._state(deployment), OPERATOR, until))

    def half_open(self, deployment: Deployment, now: float) -> "Health":
        """The next request probes it, alone, and two successes close it; a hold stays in force."""
        return self._with_state(deployment, half_opened(self._state(deployment), now))

    def last_chance(self, deployments: Iterable[Deployment], now: float) -> Deployment | None:
        """Of deployments that are all skipped, the one whose open circuit is closest to its probe.

        None when no circuit is the reason, or when somebody is trying that one already.
        """
        closest, closest_at = None, float("inf")
        for deployment in deployments:
            state = self._state(deployment)
            if state.open_until is None or state.open_until >= closest_at:
                continue
            if self.skip_reason(deployment, now)[0] == "circuit_open":
                closest, closest_at = deployment, state.open_until
        if closest is None or self._state(closest).claimed(now):
            return None
        return closest

    def claim(self, deployment: Deployment, now: float) -> "Health | None":
        """Take the probe of a circuit that is not closed; None when somebody else has it.

        `self` when the circuit is closed: nothing to claim, nothing to release. What is slow is probed the same
        way once its pause is over, and may be asked by others meanwhile. A claim ends with `release`, or by
        itself when the attempt must be over in any case.
        """
        state = self._state(deployment)
        if state.open_until is None:
            if now < self.slow.get(deployment.slug, NEVER) or state.claimed(now):
                return self
        elif state.claimed(now):
            return None
        return self._with_state(deployment, replace(state, probe_until=now + deployment.limits.total))

    def probe_of(self, deployment: Deployment) -> float:
        """The mark of the probe under way, which tells it from every other; 0 without one."""
        return self._state(deployment).probe_until

    def release(self, deployment: Deployment, probe: float | None = None) -> "Health":
        """Give the probe back, after its outcome; only for the caller whose claim changed the health.

        `probe` is the claim's mark: when an order of an operator has ended that claim, and another has begun since,
        the other stays. None gives back whichever there is.
        """
        state = self._state(deployment)
        if not state.probe_until or probe not in (None, state.probe_until):
            return self
        return self._with_state(deployment, replace(state, probe_until=0.0))

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

    def _state(self, deployment: Deployment) -> State:
        """What is known of the deployment as it is now: with its present access and model."""
        state = self.states.get(deployment.slug)
        if state is None or state.access != deployment.provider.access:
            return NO_TROUBLE
        return free(state) if state.held_model not in ("", deployment.model) else state

    def _hold(self, deployment: Deployment) -> Hold:
        """The hold of the deployment's provider, while its access is the one that was refused."""
        hold = self.holds.get(deployment.provider.slug)
        return hold if hold is not None and hold.access == deployment.provider.access else NO_HOLD

    def _busy(self, deployment: Deployment) -> bool:
        limit = deployment.provider.concurrency_limit
        return limit is not None and self.in_flight.get(deployment.provider.slug, 0) >= limit

    def _with_state(self, deployment: Deployment, state: State) -> "Health":
        slug = deployment.slug
        known, access = self.states.get(slug), deployment.provider.access
        if known == (state := replace(state, access=access)):
            return self
        states = {**self.states, slug: state}
        if state == State(access=access):
            del states[slug]
        return self if known is None and slug not in states else replace(self, states=states)

    def _recovered(self, deployment: Deployment, state: State, now: float) -> "Health":
        """After a success: the deployment's troubles shrink, and its provider's past hold is forgotten."""
        changed = self
        if deployment.slug in self.states:
            changed = self._with_state(deployment, succeeded(state, now))
        if deployment.provider.slug not in self.holds or now < self._hold(deployment).until:
            return changed
        owner = deployment.provider.slug
        return replace(changed, holds={slug: kept for slug, kept in self.holds.items() if slug != owner})

    def _with_hold(self, deployment: Deployment, until: float, word: str) -> "Health":
        """The provider's hold, unless an older one lasts longer."""
        if self._hold(deployment).until >= until:
            return self
        owner = deployment.provider
        return replace(self, holds={**self.holds, owner.slug: Hold(until, word, owner.access)})

    def _pace(self, deployment: Deployment) -> Pace:
        return self.paces.get(deployment.slug, NO_PACE)

    def _timed(self, deployment: Deployment, outcome: Outcome, now: float) -> "Health":
        """With the time to first content, smoothed and beside the deployment's own past."""
        slug, seconds = deployment.slug, outcome.first_content
        known = self.first_content.get(slug)
        if seconds is None and known is None and outcome.fault is Fault.UNHEALTHY:
            seconds = deployment.limits.first_content
        if seconds is None:
            return self
        smoothed = seconds if known is None else known + SMOOTHING * (seconds - known)
        timed = (
            self if smoothed == known else self._with_first_content({**self.first_content, slug: smoothed})
        )
        if outcome.fault is not Fault.NONE or outcome.whole:
            return timed
        pace = self.paces.get(slug)
        if (
            pace is not None
            and pace.about[0] == deployment.provider.access
            and pace.about[1] == deployment.model
        ):
            newer = pace.after(seconds, now)
            return timed if newer is pace else timed._paced(slug, newer, now)
        return timed._paced(slug, Pace(about(deployment)).after(seconds, now), now)

    def _with_first_content(self, first_content: Mapping[str, float]) -> "Health":
        # Every success comes through here, and `replace` takes twice as long.
        return Health(self.states, self.holds, self.in_flight, first_content, self.paces, self.slow)

    def _paced(self, slug: str, pace: Pace, now: float) -> "Health":
        pace, slow = marked(pace, slug, self.slow, now)
        return replace(self, paces={**self.paces, slug: pace}, slow=slow)


def _circuit_wait(state: State, now: float) -> float:
    """Seconds until a request may probe; 0 when it may pass now."""
    if state.open_until is None:
        return 0.0
    if now < state.open_until:
        return state.open_until - now
    return SHORT_WAIT if state.claimed(now) else 0.0
