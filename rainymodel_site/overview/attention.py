"""What needs an operator now: each thing in a sentence, with the page where it is settled."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Exists, OuterRef, Q
from django.urls import reverse

from accounts.key_rows import FIRST
from accounts.ledger.rules import NANO, period_of
from accounts.models import User
from gateway.models import DeadLetter, Worker
from gateway.narrative import dollars
from gateway.state_models import UpstreamState
from gateway.states.standing import HELD, OPEN
from gateway.states.words import how_it_stands
from routing.catalogue import read_document
from routing.models import Deployment, Price
from routing.publish import is_published, newest_revision

NEAR = Decimal(80)  # percent of a budget
MOST = 5  # of a kind; the rest is counted
OTHERS = "and {count} more"


@dataclass(frozen=True, slots=True)
class Notice:
    """`subject` needs somebody because of `sentence`; `link` leads to where it is settled, `deed` names the place."""

    subject: str
    sentence: str
    link: str
    deed: str
    tone: str = "warn"


def notices(user: User, now: datetime) -> list[Notice]:
    """Everything that this person may see, the worst first."""
    found = [
        notice
        for permission, find in FINDERS
        if user.has_perm(permission)
        for notice in shortened(list(find(now)))
    ]
    return sorted(found, key=lambda notice: notice.tone != "bad")


def shortened(found: list[Notice]) -> list[Notice]:
    """At most MOST of a kind."""
    rest = len(found) - MOST
    if rest <= 0:
        return found
    last = found[MOST - 1]
    return [*found[: MOST - 1], Notice(OTHERS.format(count=rest + 1), "", last.link, last.deed, last.tone)]


def upstreams_in_trouble(
    now: datetime, states: Sequence[str] = (OPEN, HELD), *, holds: Sequence[str] = (), provider: str = ""
) -> Iterator[Notice]:
    """Open circuits, refused credentials, exhausted quotas: what living workers keep requests from.

    `states`, the words of `holds` and a `provider` leave those alone.
    """
    alive = now - Worker.SILENT_AFTER
    rows = UpstreamState.objects.filter(worker__heartbeat_at__gt=alive, state__in=states)
    rows = rows.filter(hold__in=holds) if holds else rows
    rows = rows.filter(provider=provider) if provider else rows
    workers = Counter(row.deployment for row in rows)
    latest = {row.deployment: row for row in rows.order_by("reported_at")}
    total = Worker.objects.filter(heartbeat_at__gt=alive).count()
    for slug, row in sorted(latest.items()):
        where = "" if workers[slug] == total else f" ({workers[slug]} of {total} workers)"
        yield Notice(slug, how_it_stands(row, now) + where, reverse("console:upstreams"), "Upstreams", "bad")


def silent_workers(now: datetime) -> Iterator[Notice]:
    """Workers that stopped reporting without saying goodbye."""
    alive = now - Worker.SILENT_AFTER
    heir = Worker.objects.filter(  # whoever took a dead worker's place
        hostname=OuterRef("hostname"),
        number=OuterRef("number"),
        started_at__gt=OuterRef("started_at"),
        heartbeat_at__gt=alive,
    )
    for worker in Worker.objects.filter(~Exists(heir), heartbeat_at__lte=alive):
        minutes = (now - worker.heartbeat_at).total_seconds() / 60
        told = f"has not reported for {minutes:.0f} minutes" if minutes >= 2 else "has stopped reporting"
        yield Notice(str(worker), told, reverse("admin:gateway_worker_changelist"), "Workers")


def behind_workers(now: datetime) -> Iterator[Notice]:
    """Workers that do not serve the newest revision."""
    newest = newest_revision()
    if newest is None or (now - newest.published_at).total_seconds() < 10:
        return
    alive = Worker.objects.filter(heartbeat_at__gt=now - Worker.SILENT_AFTER, revision__lt=newest.number)
    for worker in alive:
        told = f"serves revision {worker.revision}; the newest is {newest.number}"
        yield Notice(str(worker), told, reverse("admin:gateway_worker_changelist"), "Workers", "bad")


def unpublished_changes(now: datetime) -> Iterator[Notice]:
    """A draft that differs from what serves."""
    newest = newest_revision()
    if newest is not None and not is_published(newest, read_document()):
        told = f"differs from revision {newest.number}, which serves"
        yield Notice("The draft", told, reverse("admin:routing_cataloguerevision_changelist"), "Review it")


def unpriced_models(now: datetime) -> Iterator[Notice]:
    """Enabled deployments without a price in force: their cost is unknown, and limited keys do not reach them."""
    priced = Price.objects.filter(deployment=OuterRef("pk"), starts__lte=now, input__isnull=False)
    rows = Deployment.objects.filter(
        ~Exists(priced), Q(enabled=True) & Q(provider__enabled=True), routes__enabled=True
    )
    for slug in rows.distinct().order_by("slug").values_list("slug", flat=True):
        told = "has no price, so its cost is unknown and keys with a budget do not reach it"
        yield Notice(slug, told, reverse("console:prices"), "Prices")


def refused_rows(now: datetime) -> Iterator[Notice]:
    """Log rows that Postgres refused."""
    if DeadLetter.objects.exists():
        link = reverse("admin:gateway_deadletter_changelist")
        yield Notice("Log rows", "were refused by the database and set aside", link, "Refused rows")


def keys_near_their_budget(now: datetime, near: Decimal = NEAR) -> Iterator[Notice]:
    """Keys that have used most (`near` percent) of what they may spend today or this month."""
    moment = now.timestamp()
    values: dict[str, int | Decimal] = {
        "day": period_of("day", moment),
        "month": period_of("month", moment),
        "nano": NANO,
        "near": near / 100,
    }
    with connection.cursor() as cursor:
        cursor.execute(" ".join(("WITH key AS (", KEYS, ")", SPENT)), values)
        rows = cursor.fetchall()
    for key, label, kind, used, limit in rows:
        spent = dollars(round(Decimal(used) / NANO, 2))
        told = (
            f"has spent {spent} of {dollars(limit.normalize())} {'today' if kind == 'day' else 'this month'}"
        )
        link = reverse("admin:accounts_apikey_change", args=[key])
        yield Notice(label, told, link, "Key", "bad" if used >= limit * NANO else "warn")


# Keys with the id under which the ledger counts them.
KEYS = " ".join(
    (
        "SELECT k.id, k.label, k.usd_per_day, k.usd_per_month,",
        FIRST,
        "FROM accounts_apikey k WHERE k.revoked_at IS NULL",
    )
)
SPENT = """
SELECT key.id, key.label, budget.kind, sum(used.amount)::bigint, budget.usd
FROM key
CROSS JOIN LATERAL (VALUES ('day', key.usd_per_day, %(day)s), ('month', key.usd_per_month, %(month)s))
    AS budget(kind, usd, period)
JOIN accounts_use used ON used.name = 'key:' || key.limited_as || ':' || budget.kind AND used.period = budget.period
WHERE budget.usd IS NOT NULL
GROUP BY key.id, key.label, budget.kind, budget.usd
HAVING sum(used.amount) >= budget.usd * %(nano)s * %(near)s
ORDER BY sum(used.amount) / NULLIF(budget.usd, 0) DESC LIMIT 50
"""

Finder = Callable[[datetime], Iterator[Notice]]
FINDERS: tuple[tuple[str, Finder], ...] = (
    ("gateway.view_worker", upstreams_in_trouble),
    ("gateway.view_worker", behind_workers),
    ("gateway.view_worker", silent_workers),
    ("routing.view_cataloguerevision", unpublished_changes),
    ("accounts.view_apikey", keys_near_their_budget),
    ("routing.add_price", unpriced_models),
    ("gateway.view_deadletter", refused_rows),
)
