"""Logged requests through two catalogues: what would go elsewhere, what nobody could answer, what it would cost.

Pure but for the clock it is given. Both sides are asked with every deployment healthy and at the prices of one moment,
so that the difference is the catalogues' and not the log's luck.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from gateway.messages import error_for_query
from gateway.narrative import SKIPPED, plain
from routing.engine.errors import RoutingError
from routing.engine.health import Health
from routing.engine.plan import plan
from routing.engine.plan_values import Rejection
from routing.engine.query import Query
from routing.engine.snapshot import Deployment, Snapshot

REMEMBERED = 50_000  # choices of a side; some 20 MB
DRAWS = 16  # of weighted steps: how finely requests are spread over them
UNWEIGHTED = 0.5
PRETENDED = "pretended to be down"
NOBODY = ""  # the deployment, tier or provider of a request that nobody can answer
# What says least about why nobody is left.
DULL = frozenset({"tier_not_in_policy", "disabled", "no_credential", "held", "provider_filter"})


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of the log, as routing saw it. `draw` is its place among DRAWS; tokens are those it really used."""

    query: Query
    alias: str
    key: UUID | None
    key_label: str
    draw: int = 0
    input: int = 0
    cached: int = 0
    output: int = 0

    @property
    def is_counted(self) -> bool:
        """Whether anything is known of what it used."""
        return bool(self.input or self.cached or self.output)


@dataclass(frozen=True, slots=True)
class Choice:
    """Who would be asked first, or why nobody."""

    deployment: Deployment | None
    why: str = ""

    @property
    def slug(self) -> str:
        """The deployment's, or NOBODY."""
        return self.deployment.slug if self.deployment else NOBODY


@dataclass(slots=True)
class Side:
    """A catalogue with what is pretended of it; remembers its choices."""

    snapshot: Snapshot
    health: Health = field(default_factory=Health)
    _known: dict[tuple[Query, int], Choice] = field(default_factory=dict)
    _weighted: bool = False

    def __post_init__(self) -> None:
        self.snapshot = replace(self.snapshot, last_resort=None, memo={})
        steps = (step for policy in self.snapshot.policies.values() for step in policy.steps)
        self._weighted = any(step.strategy == "weighted" for step in steps)

    def choice(self, asked: Asked) -> Choice:
        """Who would be asked first; the same question is planned once."""
        kind = (asked.query, asked.draw if self._weighted else 0)
        known = self._known.get(kind)
        if known is None:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            draw = (asked.draw + 0.5) / DRAWS if self._weighted else UNWEIGHTED
            known = self._known[kind] = chosen(self.snapshot, asked.query, self.health, draw)
        return known


@dataclass(slots=True)
class Sum:
    """Requests that moved alike. Tokens are of the `counted` ones alone."""

    requests: int = 0
    counted: int = 0
    input: int = 0
    cached: int = 0
    output: int = 0

    def add(self, asked: Asked) -> None:
        """One more."""
        self.requests += 1
        if asked.is_counted:
            self.counted += 1
            self.input += asked.input
            self.cached += asked.cached
            self.output += asked.output


Move = tuple[str, UUID | None, str, str]  # alias, key, deployment before, deployment after


@dataclass(slots=True)
class Comparison:
    """What came of it so far: every kind of move, and who is left with nobody."""

    before: Side
    after: Side
    requests: int = 0
    moves: dict[Move, Sum] = field(default_factory=lambda: defaultdict(Sum))
    stranded: dict[tuple[str, tuple[str, ...], str], int] = field(default_factory=lambda: defaultdict(int))
    deployments: dict[tuple[bool, str], Deployment] = field(default_factory=dict)
    labels: dict[UUID | None, str] = field(default_factory=dict)

    def add(self, asked: Asked) -> None:
        """Ask both sides about one more request."""
        before, after = self.before.choice(asked), self.after.choice(asked)
        self.requests += 1
        self.moves[asked.alias, asked.key, before.slug, after.slug].add(asked)
        self.labels[asked.key] = asked.key_label
        for is_after, choice in ((False, before), (True, after)):
            if choice.deployment is not None:
                self.deployments[is_after, choice.slug] = choice.deployment
        if before.deployment is not None and after.deployment is None:
            self.stranded[asked.alias, tuple(sorted(asked.query.needs)), after.why] += 1


def chosen(snapshot: Snapshot, query: Query, health: Health, draw: float) -> Choice:
    """The first that would be asked, or why nobody would be."""
    try:
        found = plan(snapshot, query, health, now=0.0, draw=draw)
    except RoutingError as error:
        return Choice(None, error_for_query(error).code or "refused")
    if found.ordered:
        return Choice(found.ordered[0])
    return Choice(None, nobody_left(found.rejected))


def nobody_left(rejected: tuple[Rejection, ...]) -> str:
    """The reasons of all that is left out, those that say most first, in words: `cannot do what was asked`."""
    words: Mapping[str, None] = dict.fromkeys(
        PRETENDED if one.reason == "held" else plain(SKIPPED, one.reason)
        for one in sorted(rejected, key=lambda one: (one.reason in DULL - {"held"}, one.reason))
    )
    return "; ".join(words) or "no deployment"
