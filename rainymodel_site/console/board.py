"""What the page of upstreams shows: the serving catalogue, each deployment with what every worker thinks of it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gateway.models import Worker
from gateway.state_models import UpstreamOrder, UpstreamState
from gateway.states.standing import CLOSED, DEMOTED, HALF_OPEN, HELD, OPEN
from gateway.states.words import NAMES, how_it_stands, last_failure
from gateway.states.words import history as history_of
from routing.models import CatalogueRevision, Deployment, Provider

Entry = Mapping[str, Any]
WORST_FIRST = (HELD, OPEN, HALF_OPEN, DEMOTED, CLOSED)
TONES = {HELD: "bad", OPEN: "bad", HALF_OPEN: "warn", DEMOTED: "warn", CLOSED: "good"}


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one or more workers think alike."""

    workers: str
    name: str
    tone: str
    story: str


@dataclass(frozen=True, slots=True)
class Line:
    """One deployment. `state` is the worst that any worker has it in; `order` the operator's in force."""

    slug: str
    pk: int | None
    enabled: bool
    state: str
    opinions: tuple[Opinion, ...]
    failure: str = ""
    history: str = ""
    order: UpstreamOrder | None = None

    @property
    def in_trouble(self) -> bool:
        """Whether any worker keeps requests from it, or an operator does."""
        return self.state != CLOSED or self.order is not None


@dataclass(frozen=True, slots=True)
class Group:
    """A provider with those of its deployments that are shown, and its published limits.

    `running` is how many requests all living workers have there.
    """

    slug: str
    pk: int | None
    lines: tuple[Line, ...]
    order: UpstreamOrder | None = None
    concurrency_limit: int | None = None
    quota_window: str | None = None
    running: int = 0

    @property
    def is_held(self) -> bool:
        """Whether any of the deployments shown is on hold."""
        return any(line.state == HELD for line in self.lines)


@dataclass(frozen=True, slots=True)
class Board:
    """The whole page. `silent` workers are presumed dead and left out."""

    groups: tuple[Group, ...]
    total: int
    troubled: int
    workers: int
    silent: int
    now: datetime


@dataclass(frozen=True, slots=True)
class Published:
    """A provider's entry in the serving document, and those of its deployments."""

    provider: Entry
    deployments: tuple[Entry, ...]

    @property
    def slug(self) -> str:
        """The provider's."""
        return str(self.provider["slug"])


@dataclass(slots=True)
class Known:
    """What the database holds, read once for a page."""

    now: datetime
    labels: dict[Any, str]
    states: dict[str, list[UpstreamState]]
    orders: dict[tuple[str, str], UpstreamOrder]
    deployments: Mapping[str, int] = field(default_factory=dict)
    providers: Mapping[str, int] = field(default_factory=dict)
    running: Mapping[str, int] = field(default_factory=dict)


def read_board(now: datetime, *, everything: bool) -> Board:
    """The board as it stands; only what is in trouble unless `everything` is asked for."""
    workers = list(Worker.objects.all())
    alive = [worker for worker in workers if not worker.silent(now)]
    known = Known(
        now,
        labels(alive),
        states_of(alive),
        orders_in_force(now),
        dict(Deployment.objects.values_list("slug", "pk")),
        dict(Provider.objects.values_list("slug", "pk")),
        sum((Counter(worker.running) for worker in alive), Counter()),
    )
    groups = [group(each, known) for each in serving_catalogue()]
    lines = [line for one in groups for line in one.lines]
    shown = groups if everything else [troubled_part(one) for one in groups]
    return Board(
        groups=tuple(one for one in shown if one.lines or (one.order and not everything)),
        total=len(lines),
        troubled=sum(line.in_trouble for line in lines),
        workers=len(alive),
        silent=len(workers) - len(alive),
        now=now,
    )


def serving_catalogue() -> list[Published]:
    """The published providers by slug, each with its deployments."""
    newest = CatalogueRevision.objects.order_by("-number").first()
    document = newest.document if newest else {"providers": [], "deployments": []}
    deployments: dict[str, list[Entry]] = defaultdict(list)
    for entry in document["deployments"]:
        deployments[entry["provider"]].append(entry)
    providers = sorted(document["providers"], key=lambda entry: str(entry["slug"]))
    return [Published(entry, tuple(deployments[entry["slug"]])) for entry in providers]


def labels(workers: Iterable[Worker]) -> dict[Any, str]:
    """Worker id → how the page calls it; the machine is named only where there are several."""
    listed = list(workers)
    several = len({worker.hostname for worker in listed}) > 1
    return {
        worker.pk: f"{worker.hostname} worker {worker.number}" if several else f"worker {worker.number}"
        for worker in listed
    }


def states_of(workers: Iterable[Worker]) -> dict[str, list[UpstreamState]]:
    """Deployment slug → what these workers say of it."""
    found: dict[str, list[UpstreamState]] = defaultdict(list)
    for row in UpstreamState.objects.filter(worker__in=list(workers)).order_by(
        "worker__hostname", "worker__number"
    ):
        found[row.deployment].append(row)
    return found


def orders_in_force(now: datetime) -> dict[tuple[str, str], UpstreamOrder]:
    """(deployment, provider), one of them empty → the order in force about it."""
    newest = UpstreamOrder.objects.order_by("deployment", "provider", "-id").distinct(
        "deployment", "provider"
    )
    return {
        (order.deployment, order.provider): order
        for order in newest
        if order.what in (UpstreamOrder.OPEN, UpstreamOrder.HOLD)
        and (order.until is None or order.until > now)
    }


def group(published: Published, known: Known) -> Group:
    """A provider with all its deployments."""
    provider, slug = published.provider, published.slug
    order, is_on = known.orders.get(("", slug)), bool(provider.get("enabled", True))
    entries = sorted(published.deployments, key=lambda entry: str(entry["slug"]))
    return Group(
        slug,
        known.providers.get(slug),
        tuple(line(entry, known, order, is_on=is_on) for entry in entries),
        order,
        provider.get("concurrency_limit"),
        provider.get("quota_window"),
        known.running.get(slug, 0),
    )


def troubled_part(whole: Group) -> Group:
    """The same with what is in trouble alone."""
    return replace(whole, lines=tuple(one for one in whole.lines if one.in_trouble))


def line(entry: Entry, known: Known, held: UpstreamOrder | None, *, is_on: bool) -> Line:
    """One deployment, with what every worker that is alive thinks; `is_on` is its provider's switch."""
    slug = str(entry["slug"])
    rows, own = known.states.get(slug, []), known.orders.get((slug, ""))
    latest = max((row for row in rows if row.last_at), key=lambda row: row.last_at or known.now, default=None)
    states = {row.state for row in rows}
    return Line(
        slug=slug,
        pk=known.deployments.get(slug),
        enabled=is_on and bool(entry.get("enabled", True)),
        state=next((state for state in WORST_FIRST if state in states), CLOSED),
        opinions=tuple(opinions(rows, known, own, held)),
        failure=last_failure(latest, known.now) if latest else "",
        history="; ".join(histories(rows, known)),
        order=own,
    )


def opinions(
    rows: Iterable[UpstreamState], known: Known, own: UpstreamOrder | None, held: UpstreamOrder | None
) -> list[Opinion]:
    """Equal opinions as one; a worker that has no row thinks the deployment closed."""
    by_worker = {row.worker_id: row for row in rows}
    alike: dict[tuple[str, str], list[str]] = defaultdict(list)
    for worker, label in known.labels.items():
        row = by_worker.get(worker)
        state = row.state if row else CLOSED
        order = held if state == HELD else own
        endless = order is not None and order.until is None
        alike[state, how_it_stands(row, known.now, endless=endless) if row else ""].append(label)
    if {state for state, _ in alike} == {CLOSED}:
        return []
    ranked = sorted(alike.items(), key=lambda item: WORST_FIRST.index(item[0][0]))
    return [
        Opinion(who(labels, len(known.labels)), NAMES.get(state, "Closed"), TONES[state], story)
        for (state, story), labels in ranked
    ]


def histories(rows: Iterable[UpstreamState], known: Known) -> list[str]:
    """`every worker opened it once`: what each has gone through since it started."""
    alike: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if told := history_of(row.opened, row.held):
            alike[told].append(known.labels[row.worker_id])
    return [f"{who(names, len(known.labels)) or 'the worker'} {told}" for told, names in alike.items()]


def who(names: list[str], of: int) -> str:
    """`every worker`, `worker 0`, `worker 0 and worker 2`; of many the number."""
    if len(names) == of:
        return "every worker" if of > 1 else ""
    return " and ".join(names) if len(names) < 4 else f"{len(names)} of {of} workers"
