"""What an operator should do about an upstream, beside the row that is to be changed."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.models import Worker
from gateway.state_models import UpstreamState
from gateway.states.standing import CLOSED
from gateway.states.words import NAMES, how_it_stands, last_failure
from routing.models import Deployment, Provider

LATELY = timedelta(hours=1)
# What ended an attempt and no waiting will mend.
ADVICE = {
    "credential_refused": "Check the provider’s credential: set its variable again, or store a new secret.",
    "configuration": "Check the base URL and the upstream model’s name: the upstream does not know one of them.",
    "quota_exhausted": "Add credits at the upstream, or wait. The provider’s quota window says how long it is held.",
    "capability": "It was asked for something that it refused as unsupported. Take the capability away, or have the"
    " parameter policy drop the field.",
}


@dataclass(frozen=True, slots=True)
class Hint:
    """One deployment: how it stands, how it failed last, and what to do."""

    deployment: str
    standing: str
    failure: str
    advice: str


def hints_about(row: Provider | Deployment, now: datetime) -> list[Hint]:
    """What the workers that are alive say of this deployment, or of the provider's; nothing while all is well."""
    alive = [worker for worker in Worker.objects.all() if not worker.silent(now)]
    about = {"provider": row.slug} if isinstance(row, Provider) else {"deployment": row.slug}
    told: dict[str, list[UpstreamState]] = defaultdict(list)
    for state in UpstreamState.objects.filter(worker__in=alive, **about).order_by("deployment"):
        if is_worth_telling(state, now):
            told[state.deployment].append(state)
    return [hint(max(states, key=weight), now) for states in told.values()]


def is_worth_telling(state: UpstreamState, now: datetime) -> bool:
    """What it is held for, what it cannot do, and what failed lately: later somebody may have put that right."""
    if state.hold in ADVICE or state.last_word == "capability":
        return True
    return state.last_word in ADVICE and state.last_at is not None and now - state.last_at < LATELY


def word_of(state: UpstreamState) -> str:
    """What is to be acted on: what it is held for, else how it failed last."""
    return state.hold if state.hold in ADVICE else state.last_word


def weight(state: UpstreamState) -> tuple[bool, float]:
    """Of what several workers say, the one that keeps requests away counts, then the newest."""
    return state.state != CLOSED, state.last_at.timestamp() if state.last_at else 0.0


def hint(state: UpstreamState, now: datetime) -> Hint:
    """In words."""
    return Hint(
        deployment=state.deployment,
        standing="" if state.state == CLOSED else f"{NAMES[state.state]}: {how_it_stands(state, now)}",
        failure=last_failure(state, now),
        advice=ADVICE[word_of(state)],
    )
