"""Where a request would go, in which order, and why not elsewhere: the question as a value, the answer as a value.

Nobody is called. The plan is the request path's own, with every deployment healthy; what the workers think of each
right now stands beside it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from accounts.models import ApiKey
from gateway.messages import error_for_query
from gateway.models import Worker
from gateway.state_models import UpstreamState
from gateway.states.standing import HELD, OPEN
from rainymodel_site.console.board import Known, Opinion, labels, opinions, orders_in_force, states_of
from rainymodel_site.console.explain_catalogue import LIVE, Catalogue, find_key, grants_of, read_catalogue
from rainymodel_site.console.explain_words import notes_on, price_words, sentence
from routing.engine.errors import RoutingError
from routing.engine.health import Health
from routing.engine.plan import Plan, plan
from routing.engine.query import Query
from routing.engine.snapshot import Deployment, Price

DRAW = 0.5  # of weighted steps: one that gives no place away at random
SKIPPED = {HELD: "held", OPEN: "circuit_open"}
KEY_STATES = "This key is {state}: its requests are refused before they are planned."


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `key` is a stored key's id or label; `moment` (seconds since 1970) decides on prices, 0 is now."""

    model: str
    policy: str = ""
    provider: str = ""
    key: str = ""
    needs: frozenset[str] = frozenset()
    dialect: str = "chat"
    input_tokens: int = 0
    max_tokens: int | None = None
    revision: str = LIVE
    moment: float = 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """A deployment and its place in the order. `skip` is the reason word when every worker passes it by right now."""

    number: int
    deployment: Deployment
    price: Price | None
    price_words: str
    skip: str = ""
    opinions: tuple[Opinion, ...] = ()


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A deployment that may not answer, with the reason word and the reason in words."""

    deployment: Deployment
    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer. `refused` says why the query cannot be planned at all, with its `code`; it is empty otherwise."""

    question: Question
    catalogue: Catalogue
    alias: str = ""
    policy: str = ""
    tiers: tuple[str, ...] = ()
    ordered: tuple[Place, ...] = ()
    rejected: tuple[LeftOut, ...] = ()
    refused: str = ""
    code: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Standings:
    """What the living workers think of the deployments."""

    known: Known | None = None
    alive: int = 0

    def of(self, deployment: Deployment) -> tuple[Opinion, ...]:
        """Equal opinions as one; none where requests pass everywhere."""
        if self.known is None:
            return ()
        rows = self.known.states.get(deployment.slug, [])
        orders = self.known.orders
        own, held = orders.get((deployment.slug, "")), orders.get(("", deployment.provider.slug))
        return tuple(opinions(rows, self.known, own, held))

    def skip(self, deployment: Deployment) -> str:
        """The reason word when each of the workers keeps requests away; empty when one may let them pass."""
        if self.known is None or not self.alive:
            return ""
        rows = self.known.states.get(deployment.slug, [])
        away = [
            SKIPPED[row.state] for row in rows if row.state in SKIPPED and is_in_force(row, self.known.now)
        ]
        return away[0] if len(away) == self.alive else ""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question with what it names looked up."""

    question: Question
    catalogue: Catalogue
    query: Query
    key: ApiKey | None = None
    standings: Standings = field(default_factory=Standings)


def explain(question: Question) -> Explanation:
    """The answer. Raises Unanswerable for a revision or a key that is not there."""
    key = find_key(question.key) if question.key else None
    catalogue = read_catalogue(question.revision)
    standings = Standings() if question.moment else read_standings(timezone.now())
    return explained(Asked(question, catalogue, query_of(question, key), key, standings))


def explained(asked: Asked) -> Explanation:
    """The answer from what was looked up; reads nothing more."""
    try:
        found = plan(asked.catalogue.snapshot, asked.query, Health(), now=0.0, draw=DRAW)
    except RoutingError as error:
        told = error_for_query(error)
        return Explanation(asked.question, asked.catalogue, refused=str(error), code=told.code or "")
    return Explanation(
        question=asked.question,
        catalogue=asked.catalogue,
        alias=found.alias.name,
        policy=found.policy.name,
        tiers=found.tier_order,
        ordered=tuple(places(found, asked)),
        rejected=tuple(LeftOut(one.deployment, one.reason, sentence(one)) for one in found.rejected),
        notes=tuple(notes(found, asked)),
    )


def places(found: Plan, asked: Asked) -> Iterator[Place]:
    """What would be tried, first to last."""
    for number, deployment in enumerate(found.ordered, start=1):
        price = deployment.price_at(asked.query.time)
        yield Place(
            number,
            deployment,
            price,
            price_words(price),
            asked.standings.skip(deployment),
            asked.standings.of(deployment),
        )


def notes(found: Plan, asked: Asked) -> Iterator[str]:
    """What a reader has to know beside the order."""
    yield from notes_on(found, asked.catalogue)
    if asked.key is not None and not asked.question.moment:
        if asked.key.state != "active":
            yield KEY_STATES.format(state=asked.key.state)
        yield "The key's scopes count here; its rates and budgets are checked with each request."


def query_of(question: Question, key: ApiKey | None) -> Query:
    """The question as routing sees it."""
    return Query(
        model=question.model,
        policy=question.policy or None,
        provider=question.provider or None,
        needs=question.needs,
        input_tokens=question.input_tokens,
        output_tokens=question.max_tokens,
        dialect=question.dialect,
        time=question.moment or time.time(),
        grants=grants_of(key),
    )


def read_standings(now: datetime) -> Standings:
    """How every deployment stands with the workers that are alive."""
    alive = [worker for worker in Worker.objects.all() if not worker.silent(now)]
    known = Known(now, labels(alive), states_of(alive), orders_in_force(now))
    return Standings(known, len(alive))


def is_in_force(row: UpstreamState, now: datetime) -> bool:
    """Whether what the row tells has not run out since it was written."""
    until = row.held_until if row.state == HELD else row.until
    return until is None or until > now
