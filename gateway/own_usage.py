"""What somebody's keys have used, read from the request log: sums for each key and day, and the requests themselves.

All of it goes through the index on key and id, so that it costs what these keys did, not what the whole log holds. Days
and months are those of UTC. The log keeps RAINYMODEL_LOG_DAYS; what is older is not in any of these sums.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

from accounts.caller import token_key_id
from accounts.models import ApiKey, User
from gateway.models import State
from gateway.partitions import DAY, midnight
from gateway.uuid7 import id_floor

MOST_ROWS = 201  # a page of 200, and whether there is more
FAILED = (State.CLIENT_ERROR, State.UPSTREAM_ERROR, State.TRUNCATED, State.REFUSED, State.LOST)

SUMS = """
SELECT key_id, (started_at AT TIME ZONE 'UTC')::date, count(*), count(*) FILTER (WHERE state = ANY(%(failed)s)),
       sum(input_tokens::bigint + cached_tokens + output_tokens)::bigint, coalesce(sum(cost_usd), 0),
       count(*) FILTER (WHERE cost_usd IS NULL AND attempt_count > 0)
FROM gateway_requestlog
WHERE key_id = ANY(%(keys)s) AND id >= %(floor)s AND (%(user)s::text IS NULL OR user_id = %(user)s)
GROUP BY 1, 2
"""
# Each key's newest rows first, then the newest of those: one key's index at a time, however many rows others wrote.
ROWS = """
SELECT found.* FROM unnest(%(keys)s::uuid[]) AS mine (id) CROSS JOIN LATERAL (
    SELECT id, started_at, key_id, key_label, endpoint, requested_model, upstream, upstream_model, stream, state,
           status, error_code, fallback_reason, input_tokens::bigint + cached_tokens + output_tokens AS tokens,
           estimated, attempt_count, cost_usd, total_ms
    FROM gateway_requestlog AS log
    WHERE log.key_id = mine.id AND log.user_id = %(user)s
      AND (%(before)s::uuid IS NULL OR log.id < %(before)s::uuid)
      AND (%(states)s::text[] IS NULL OR log.state = ANY(%(states)s::text[]))
    ORDER BY log.id DESC LIMIT %(limit)s
) AS found ORDER BY found.id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Sums:
    """Requests, those that failed, tokens, USD; `unpriced` requests went upstream at a cost nobody knows."""

    requests: int = 0
    errors: int = 0
    tokens: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0

    def __add__(self, other: "Sums") -> "Sums":
        """Both together."""
        return Sums(
            self.requests + other.requests,
            self.errors + other.errors,
            self.tokens + other.tokens,
            self.cost_usd + other.cost_usd,
            self.unpriced + other.unpriced,
        )


@dataclass(frozen=True, slots=True)
class DayUse:
    """One UTC day's sums."""

    day: date
    sums: Sums


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What a key used today, this month, and on each day of the month up to today."""

    today: Sums
    month: Sums
    days: tuple[DayUse, ...]


@dataclass(frozen=True, slots=True)
class RequestRow:
    """One request's metadata. `cost_usd` None is unknown, `estimated` tokens were counted by us."""

    id: UUID
    started_at: datetime
    key_id: UUID
    key_label: str
    endpoint: str
    requested_model: str
    upstream: str
    upstream_model: str
    stream: bool
    state: str
    status: int
    error_code: str
    fallback_reason: str
    tokens: int
    estimated: bool
    attempt_count: int
    cost_usd: Decimal | None
    total_ms: float | None


def month_to_date(key_ids: Iterable[UUID], now: datetime | None = None) -> dict[UUID, KeyUse]:
    """For each of these keys what it used in this UTC month; zeros for one that was not used."""
    today = (now or datetime.now(UTC)).astimezone(UTC).date()
    ids, days = list(key_ids), days_until(today, today.day)
    found = read_sums(ids, days[0])
    return {key_id: key_use({day: found.get((key_id, day), Sums()) for day in days}) for key_id in ids}


def daily(
    user_id: int | str, days: int = 30, now: datetime | None = None, key_id: UUID | None = None
) -> list[DayUse]:
    """The last `days` UTC days, today last, of all keys somebody has or had, or of one of them; none is left out."""
    wanted = days_until((now or datetime.now(UTC)).astimezone(UTC).date(), days)
    by_day = dict.fromkeys(wanted, Sums())
    for (_, day), sums in read_sums(key_ids_of(user_id, key_id), wanted[0], str(user_id)).items():
        if day in by_day:
            by_day[day] += sums
    return [DayUse(day, sums) for day, sums in by_day.items()]


def total(days: Sequence[DayUse]) -> Sums:
    """Several days together."""
    return sum((day.sums for day in days), Sums())


def requests_of(
    user_id: int | str,
    before: UUID | None = None,
    limit: int = 50,
    *,
    key_id: UUID | None = None,
    states: Sequence[str] = (),
) -> list[RequestRow]:
    """Somebody's own requests, newest first, older than the one with the id `before`; at most MOST_ROWS.

    `key_id` leaves only one key's, `states` only those that ended so. The next page starts before the last id.
    """
    wanted = {
        "keys": key_ids_of(user_id, key_id),
        "user": str(user_id),
        "before": before,
        "states": list(states) or None,
        "limit": max(1, min(limit, MOST_ROWS)),
    }
    return [RequestRow(*row) for row in fetch(ROWS, wanted)]


def key_ids_of(user_id: int | str, only: UUID | None = None) -> list[UUID]:
    """The ids under which somebody's requests are logged: all keys they have or had, and single sign-on.

    With `only` that one, if it is theirs.
    """
    ids = list(ApiKey.objects.filter(owner_id=int(user_id)).values_list("pk", flat=True))
    ids += [
        token_key_id(user.issuer, user.subject)
        for user in User.objects.filter(pk=int(user_id))
        if user.subject
    ]
    return ids if only is None else [id for id in ids if id == only]


def read_sums(
    key_ids: Sequence[UUID], since: date, user_id: str | None = None
) -> dict[tuple[UUID, date], Sums]:
    """The sums of each key and day since the beginning of a UTC day."""
    wanted = {
        "keys": list(key_ids),
        "failed": [str(state) for state in FAILED],
        "floor": id_floor(midnight(since)),
        "user": user_id,
    }
    return {(key_id, day): Sums(*numbers) for key_id, day, *numbers in fetch(SUMS, wanted)}


def key_use(by_day: dict[date, Sums]) -> KeyUse:
    """A key's month from its days, oldest first."""
    days = tuple(DayUse(day, sums) for day, sums in by_day.items())
    return KeyUse(today=days[-1].sums, month=total(days), days=days)


def days_until(today: date, count: int) -> list[date]:
    """So many days, today last."""
    return [today - DAY * back for back in range(count - 1, -1, -1)]


def fetch(statement: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    """The rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
