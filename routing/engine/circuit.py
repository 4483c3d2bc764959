"""What a worker holds against one deployment, and how an outcome changes it.

A circuit is closed (requests pass), open (they do not), then half-open: one probe at a time, and two
successes close it. A hold keeps requests away until a moment, whatever the circuit says. Times are seconds
on the caller's monotonic clock.
"""

from dataclasses import dataclass, replace

from routing.engine.snapshot import BreakerRules
from routing.engine.window import Window, counted, fails_too_often

LONGEST_PAUSE = 300.0
LONGEST_QUOTA_HOLD = 86_400.0
PROOFS_TO_CLOSE = 2


@dataclass(frozen=True, slots=True)
class State:
    """One deployment in trouble; a deployment without trouble has no State.

    `failures` and `throttles` count in a row, `openings` how often the circuit opened since it last
    closed, `proofs` the successes since it became half-open. `open_until` is None while it is closed. A
    probe is claimed while now < `probe_until`. `held_for` is the word of the outcome that caused the hold,
    `held_model` the model's name that it is about, empty for every model. `access` is the provider's when
    this was learnt: with another credential or address it says nothing. `recent` counts the outcomes of the
    last minute while the circuit is closed and some of them failed.
    """

    failures: int = 0
    openings: int = 0
    open_until: float | None = None
    proofs: int = 0
    probe_until: float = 0.0
    throttles: int = 0
    held_until: float = 0.0
    held_for: str = ""
    held_model: str = ""
    access: str = ""
    recent: Window = ()

    def circuit(self, now: float) -> str:
        """`closed`, `open` or `half_open`."""
        if self.open_until is None:
            return "closed"
        return "open" if now < self.open_until else "half_open"

    def claimed(self, now: float) -> bool:
        """True while somebody's probe is under way."""
        return now < self.probe_until

    def held(self, now: float) -> bool:
        """True while a hold is in force."""
        return now < self.held_until


NO_TROUBLE = State()


def succeeded(state: State, now: float) -> State:
    """A success: counts in a row start anew, and enough of them close a half-open circuit.

    While the circuit is open only a claimed probe counts: the others were sent before it opened.
    """
    kept = state if state.held(now) else replace(free(state), throttles=0)
    if state.open_until is None:
        recent = counted(state.recent, now, failed=False) if state.recent else ()
        return replace(kept, failures=0, recent=recent)
    if now < state.open_until and not state.claimed(now):
        return kept
    if state.proofs + 1 < PROOFS_TO_CLOSE:
        return replace(kept, proofs=state.proofs + 1, open_until=min(state.open_until, now))
    return replace(kept, failures=0, openings=0, open_until=None, proofs=0)


def failed(state: State, rules: BreakerRules, now: float, draw: float) -> State:
    """An unhealthy outcome: opens a closed circuit after enough in a row or in a minute, and a half-open one again.

    It opens for `open_for` × 2^k seconds, at most 300, times `draw` in [0, 1] as jitter; k is the number of
    openings before. A failed probe of a still open circuit puts it off by the same time again, so that the
    next one tried is another deployment; other failures while open were sent before and change nothing.
    """
    circuit = state.circuit(now)
    recent = counted(state.recent, now, failed=True) if circuit == "closed" else ()
    if circuit == "closed" and state.failures + 1 < rules.open_after and not fails_too_often(recent, rules):
        return replace(state, failures=state.failures + 1, recent=recent)
    if circuit == "open" and not state.claimed(now):
        return state
    before = state.openings - 1 if circuit == "open" else state.openings
    until = now + doubled(rules.open_for, before) * draw
    return replace(
        state,
        failures=state.failures + 1,
        openings=before + 1,
        proofs=0,
        open_until=max(until, state.open_until or until),
        recent=(),
    )


def throttled(state: State, word: str, retry_after: float | None, now: float) -> State:
    """Held for the upstream's hint (1 to 300 s), without one for 1 s × 2^k.

    k counts throttles in a row; one that arrives during a hold belongs to the same burst.
    """
    throttles = state.throttles if state.held(now) else state.throttles + 1
    pause = (
        doubled(1.0, max(throttles, 1) - 1) if retry_after is None else clamped(retry_after, LONGEST_PAUSE)
    )
    return held(replace(state, throttles=throttles), word, now + pause)


def held(state: State, word: str, until: float, model: str = "") -> State:
    """Held until the later of the old and the new moment; with a `model`, for this name alone."""
    if until <= state.held_until:
        return state
    return replace(state, held_until=until, held_for=word, held_model=model)


def opened(state: State, until: float) -> State:
    """Open until this moment by somebody's decision, then half-open; a probe under way no longer counts."""
    openings = max(state.openings, 1)
    return replace(state, openings=openings, open_until=until, proofs=0, probe_until=0.0, recent=())


def half_opened(state: State, now: float) -> State:
    """The next request probes it; a circuit that is half-open already stays as it is."""
    if state.circuit(now) == "half_open":
        return state
    return replace(state, open_until=now, proofs=0, probe_until=0.0, recent=())


def free(state: State) -> State:
    """The same without its hold."""
    return replace(state, held_until=0.0, held_for="", held_model="")


def clamped(seconds: float, longest: float) -> float:
    """At least one second, at most `longest`."""
    return min(max(seconds, 1.0), longest)


def doubled(seconds: float, times: int) -> float:
    """`seconds` × 2^times, at most LONGEST_PAUSE."""
    return min(seconds * 2.0 ** min(times, 30), LONGEST_PAUSE)
