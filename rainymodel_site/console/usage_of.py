"""Who uses a provider, a deployment, an alias or a key, how much, and what would answer without it.

Counts come from the roll-ups, which are small however large the log is. Every question gets a second of Postgres' time;
what is not answered by then is not known, and said to be so.
"""

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import Error, connection, transaction
from django.utils import timezone

from gateway.uuid7 import id_floor
from rainymodel_site.console.explain_catalogue import DRAFT, Unanswerable, pretend_down, read_catalogue
from rainymodel_site.console.what_if import PRETENDED, UNWEIGHTED, chosen
from routing.engine.health import Health
from routing.engine.query import Query
from routing.engine.snapshot import Alias, Route, Snapshot

PROVIDER, DEPLOYMENT, ALIAS, KEY = "provider", "deployment", "alias", "key"
KINDS = (PROVIDER, DEPLOYMENT, ALIAS, KEY)
PATIENCE = "SELECT set_config('statement_timeout', '1s', true)"
WINDOWS = (
    ("24 hours", 1),
    ("7 days", 7),
    ("30 days", 30),
)  # the last day by the hour, the others by UTC days
MOST_KEYS, MOST_ROWS, MOST_ALIASES = 10, 1_000, 50
# Each kind's column in the roll-ups; keys have tables of their own.
COLUMNS = {PROVIDER: "provider", DEPLOYMENT: "deployment", ALIAS: "alias", KEY: "key_id"}
COUNT = "SELECT coalesce(sum(requests), 0)::bigint FROM {table} WHERE {column} = %s AND at >= %s"
LAST = "SELECT max(at) FROM {table} WHERE {column} = %s"
WHO = """
SELECT key_label, sum(requests)::bigint FROM gateway_traffic_key_day
WHERE {column} = %s AND at >= %s GROUP BY key_label ORDER BY 2 DESC, 1 LIMIT %s
"""
# Of deployments the roll-ups of keys know nothing: the newest rows of the last day tell.
WHO_OF_LOG = """
SELECT key_label, count(*) FROM (
    SELECT key_label FROM gateway_requestlog WHERE id > %s AND deployment = %s ORDER BY id DESC LIMIT %s
) AS newest GROUP BY key_label ORDER BY 2 DESC, 1 LIMIT %s
"""

Counts = tuple[tuple[str, int | None], ...]  # the window in words → requests, None where that is not known


@dataclass(frozen=True, slots=True)
class Instead:
    """What answers an alias now, and what would without the subject; empty is nobody, `why` says why."""

    alias: str
    now: str
    then: str
    why: str = ""

    @property
    def is_lost(self) -> bool:
        """Whether somebody answers now and nobody would."""
        return bool(self.now) and not self.then


@dataclass(frozen=True, slots=True)
class Use:
    """Everything that is known. None is not known; `last` is the beginning of its `unit` (minute, hour or day)."""

    kind: str
    name: str
    counts: Counts
    last: datetime | None = None
    unit: str = ""
    is_last_known: bool = True
    users: tuple[tuple[str, int], ...] | None = ()
    instead: tuple[Instead, ...] = ()
    problem: str = ""

    @property
    def is_unused(self) -> bool:
        """Whether it is known that nothing used it in 30 days."""
        return all(count == 0 for _, count in self.counts)


def usage_of(kind: str, name: str, id: str = "") -> Use:
    """Who uses the provider, deployment, alias (by name) or key (by `id`; the name is for people)."""
    now, value = timezone.now(), id if kind == KEY else name
    counts = counted(kind, value, now)
    found, unit, known = last_use(kind, value)
    try:
        instead, problem = what_instead(kind, name), ""
    except Unanswerable as refusal:
        instead, problem = (), str(refusal)
    whose = users(kind, value, now, counts)
    return Use(kind, name, counts, found, unit, known, whose, instead, problem)


def beginning(now: datetime, days: int) -> datetime:
    """The hour a day ago, or the beginning of the first of so many UTC days."""
    if days == 1:
        return (now - timedelta(days=1)).replace(minute=0, second=0, microsecond=0)
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days - 1)


def counted(kind: str, value: str, now: datetime) -> Counts:
    """Requests of each window; once one takes too long, the longer ones are not asked about."""
    found: list[tuple[str, int | None]] = []
    known: int | None = 0
    for words, days in WINDOWS:
        known = None if known is None else count(kind, value, beginning(now, days), days)
        found.append((words, known))
    return tuple(found)


def count(kind: str, value: str, since: datetime, days: int) -> int | None:
    """How many requests since then; None when that takes too long."""
    rows = quickly(
        COUNT.format(table=table(kind, "hour" if days == 1 else "day"), column=COLUMNS[kind]), value, since
    )
    return None if rows is None else int(rows[0][0])


def last_use(kind: str, value: str) -> tuple[datetime | None, str, bool]:
    """The beginning of the last minute, hour or day in which it was used, and whether that is known."""
    for unit in ("hour", "day") if kind == KEY else ("minute", "hour", "day"):
        rows = quickly(LAST.format(table=table(kind, unit), column=COLUMNS[kind]), value)
        if rows is None:
            return None, "", False
        if rows[0][0] is not None:
            return rows[0][0], unit, True
    return None, "", True


def users(kind: str, value: str, now: datetime, counts: Counts) -> tuple[tuple[str, int], ...] | None:
    """Keys by label with their requests in 30 days (deployments: of the newest ones in a day); None is not known."""
    in_a_day, in_a_month = counts[0][1], counts[-1][1]
    if kind == KEY or (in_a_day if kind == DEPLOYMENT else in_a_month) == 0:
        return ()
    if kind == DEPLOYMENT:
        floor = id_floor(now - timedelta(days=1))
        rows = quickly(WHO_OF_LOG, floor, value, MOST_ROWS, MOST_KEYS)
    else:
        rows = quickly(WHO.format(column=COLUMNS[kind]), value, beginning(now, 30), MOST_KEYS)
    return None if rows is None else tuple((label or "no key", int(number)) for label, number in rows)


def table(kind: str, unit: str) -> str:
    """Where the roll-up of a kind lies."""
    return f"gateway_traffic_key_{unit}" if kind == KEY else f"gateway_traffic_{unit}"


def quickly(statement: str, *values: Any) -> list[tuple[Any, ...]] | None:
    """The rows, None when Postgres does not have them within a second."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(PATIENCE)
            cursor.execute(statement, values)
            return list(cursor.fetchall())
    except Error:
        return None


def what_instead(kind: str, name: str) -> tuple[Instead, ...]:
    """Each alias of the draft that leads to the subject: who answers it, and who would. Raises Unanswerable."""
    if kind == KEY:
        return ()
    snapshot = replace(read_catalogue(DRAFT).snapshot, last_resort=None)
    aliases = (*snapshot.aliases.values(), *snapshot.patterns)
    if kind == ALIAS:
        return tuple(without_alias(snapshot, alias) for alias in aliases if alias.name == name)
    providers = frozenset([name] if kind == PROVIDER else ())
    deployments = frozenset([name] if kind == DEPLOYMENT else ())
    gone = pretend_down(snapshot, providers, deployments)
    taking_part = [alias for alias in aliases if any(is_of(route, kind, name) for route in alias.routes)]
    return tuple(compared(snapshot, snapshot, gone, alias) for alias in taking_part[:MOST_ALIASES])


def without_alias(snapshot: Snapshot, subject: Alias) -> Instead:
    """What the name itself would lead to: a pattern, a direct call, or nothing."""
    others = {name: alias for name, alias in snapshot.aliases.items() if name != subject.name}
    patterns = tuple(pattern for pattern in snapshot.patterns if pattern.name != subject.name)
    without = replace(snapshot, aliases=others, patterns=patterns, memo={})
    return compared(snapshot, without, Health(), subject)


def compared(before: Snapshot, after: Snapshot, gone: Health, alias: Alias) -> Instead:
    """Who answers a plain request to the alias in both."""
    query = Query(alias.name, dialect=spoken_by(alias), time=time.time())
    now = chosen(before, query, Health(), UNWEIGHTED)
    then = chosen(after, query, gone, UNWEIGHTED)
    reasons = [reason for reason in then.why.split("; ") if reason not in ("", PRETENDED)]
    return Instead(alias.name, now.slug, then.slug, "; ".join(reasons))


def spoken_by(alias: Alias) -> str:
    """What a plain request to the alias is: chat, unless it only makes embeddings."""
    spoken = {dialect for route in alias.routes for dialect in route.deployment.dialects}
    return "embeddings" if spoken == {"embeddings"} else "chat"


def is_of(route: Route, kind: str, name: str) -> bool:
    """Whether a route leads to the provider or deployment of that name."""
    deployment = route.deployment
    return name == (deployment.provider.slug if kind == PROVIDER else deployment.slug)
