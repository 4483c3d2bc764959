"""How one deployment stands with one worker, read from the worker's health. Moments are on the worker's own clock."""

from dataclasses import dataclass

from routing.engine.circuit import NO_TROUBLE, State, free
from routing.engine.health import NO_HOLD, Health
from routing.engine.snapshot import Deployment

CLOSED, OPEN, HALF_OPEN, HELD, DEMOTED = "closed", "open", "half_open", "held", "demoted"


@dataclass(frozen=True, slots=True)
class Standing:
    """A deployment's circuit and hold. A moment of 0 is none; `hold` is the word of what caused the hold.

    `whole_provider` says that the hold is the provider's and keeps all its deployments away.
    """

    circuit: str = CLOSED
    until: float = 0.0
    failures: int = 0
    hold: str = ""
    held_until: float = 0.0
    whole_provider: bool = False
    demoted: bool = False

    @property
    def state(self) -> str:
        """The one word for all of it: a hold goes before the circuit, the circuit before a demotion."""
        if self.held_until:
            return HELD
        return DEMOTED if self.circuit == CLOSED and self.demoted else self.circuit


FINE = Standing()
BEFORE_ALL = float("-inf")


def standing(health: Health, deployment: Deployment, now: float) -> Standing:
    """How the deployment stands at `now`; FINE when nothing speaks against it."""
    if not (health.states or health.holds or health.slow):
        return FINE
    state, hold = known_state(health, deployment), health.holds.get(deployment.provider.slug, NO_HOLD)
    if hold.access != deployment.provider.access:
        hold = NO_HOLD
    held_until = max(hold.until, state.held_until)
    whole = hold.until >= state.held_until
    held = now < held_until
    return Standing(
        circuit=state.circuit(now),
        until=state.open_until or 0.0,
        failures=state.failures,
        hold=(hold.word if whole else state.held_for) if held else "",
        held_until=held_until if held else 0.0,
        whole_provider=held and whole,
        # Also between two tries at its old place, which `is_slow` leaves out.
        demoted=health.is_slow(deployment, BEFORE_ALL),
    )


def known_state(health: Health, deployment: Deployment) -> State:
    """What is known of the deployment as it is now, with its present access and model."""
    state = health.states.get(deployment.slug)
    if state is None or state.access != deployment.provider.access:
        return NO_TROUBLE
    return state if state.held_model in ("", deployment.model) else free(state)
