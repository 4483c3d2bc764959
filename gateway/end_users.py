"""What each end user of one key used in one UTC month, read from the request log.

An end user is whom an application names in a request: the body's `user`, X-RainyModel-User, or what Open WebUI
forwards. Requests that name nobody are summed under the empty name. The log keeps RAINYMODEL_LOG_DAYS; what is older
is in no sum.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from gateway.own_usage import FAILED, Sums, fetch
from gateway.partitions import DAY, midnight
from gateway.uuid7 import id_floor

SHOWN = 100
MOST_SHOWN = 1000
FIRST_YEAR, LAST_YEAR = 1970, 9998

# Through the index on key and id, and only in the partitions of the month. `position` finds the text as it is written,
# with no signs that stand for others. The last two columns are of everybody, whatever is searched for.
BY_END_USER = """
WITH sums AS (
    SELECT end_user, count(*) AS requests, count(*) FILTER (WHERE state = ANY(%(failed)s)) AS errors,
           sum(input_tokens)::bigint AS input, sum(cached_tokens)::bigint AS cached,
           sum(output_tokens)::bigint AS output, coalesce(sum(cost_usd), 0) AS cost,
           count(*) FILTER (WHERE cost_usd IS NULL AND attempt_count > 0) AS unpriced,
           count(*) FILTER (WHERE estimated) AS estimated
    FROM gateway_requestlog
    WHERE key_id = %(key)s AND id >= %(first)s AND id < %(end)s
    GROUP BY end_user
), everybody AS (
    SELECT 0 AS place, '', sum(requests)::bigint, sum(errors)::bigint, sum(input)::bigint, sum(cached)::bigint,
           sum(output)::bigint, sum(cost), sum(unpriced)::bigint, sum(estimated)::bigint,
           count(*) FILTER (WHERE end_user <> ''),
           count(*) FILTER (WHERE position(lower(%(search)s) IN lower(end_user)) > 0)
    FROM sums
), dearest AS (
    SELECT row_number() OVER (ORDER BY cost DESC, unpriced DESC, requests DESC, end_user) AS place, sums.*, 0, 0
    FROM sums WHERE position(lower(%(search)s) IN lower(end_user)) > 0
    ORDER BY place LIMIT %(limit)s
)
SELECT * FROM everybody UNION ALL SELECT * FROM dearest ORDER BY place
"""
LABEL = "SELECT key_label FROM gateway_requestlog WHERE key_id = %(key)s ORDER BY id DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Month:
    """A month of the calendar, UTC."""

    first: date

    @property
    def end(self) -> date:
        """The first day that is no longer in it."""
        return date(self.first.year + self.first.month // 12, self.first.month % 12 + 1, 1)

    def __str__(self) -> str:
        return f"{self.first:%Y-%m}"


@dataclass(frozen=True, slots=True)
class EndUserUse:
    """One end user's month: tokens in classes that share none. `unpriced` requests went upstream at a cost nobody
    knows, which is not in `cost_usd`; of `estimated` ones the tokens were counted by us.
    """

    name: str
    requests: int = 0
    errors: int = 0
    input: int = 0
    cached: int = 0
    output: int = 0
    cost_usd: Decimal = Decimal(0)
    unpriced: int = 0
    estimated: int = 0

    @property
    def sums(self) -> Sums:
        """The same as other pages sum it."""
        tokens = self.input + self.cached + self.output
        return Sums(self.requests, self.errors, tokens, self.cost_usd, self.unpriced)

    @property
    def known_cost(self) -> Decimal | None:
        """The cost that is known; None where all there is to know is that it is unknown."""
        return None if self.unpriced and not self.cost_usd else self.cost_usd


@dataclass(frozen=True, slots=True)
class KeyMonth:
    """A key's month: everybody together, how many end users were named, how many match the search, and the dearest."""

    month: Month
    total: EndUserUse
    named: int = 0
    matching: int = 0
    users: tuple[EndUserUse, ...] = ()


def month_of(moment: datetime) -> Month:
    """The month of an instant."""
    return Month(moment.astimezone(UTC).date().replace(day=1))


def read_month(text: str) -> Month | None:
    """`2026-11` as a month; None when it is none."""
    year, sign, number = text.partition("-")
    if (len(year), sign, len(number)) != (4, "-", 2) or not (year + number).isascii():
        return None
    if not (year + number).isdigit() or not 1 <= int(number) <= 12:
        return None
    return Month(date(int(year), int(number), 1)) if FIRST_YEAR <= int(year) <= LAST_YEAR else None


def by_end_user(key_id: UUID, month: Month, search: str = "", limit: int = SHOWN) -> KeyMonth:
    """The end users whose name contains `search` in any case, dearest first, and the sums of all of them."""
    wanted: dict[str, Any] = {
        "key": key_id,
        "failed": [str(state) for state in FAILED],
        "first": id_floor(midnight(month.first)),
        "end": id_floor(midnight(month.end)),
        "search": search.replace("\x00", ""),
        "limit": max(1, min(limit, MOST_SHOWN)),
    }
    (_, _, *sums, named, matching), *rows = fetch(BY_END_USER, wanted)
    if sums[0] is None:  # no requests at all
        return KeyMonth(month, EndUserUse(""))
    users = tuple(EndUserUse(*row[1:-2]) for row in rows)
    return KeyMonth(month, EndUserUse("", *sums), named, matching, users)


def counted_from(month: Month, log_days: int, today: date) -> date:
    """The first day of the month that the log still holds as a whole."""
    return max(month.first, today - DAY * log_days)


def months_kept(log_days: int, today: date) -> list[Month]:
    """The months of which the log holds anything, this one first."""
    months, oldest = [Month(today.replace(day=1))], today - DAY * log_days
    while months[-1].first > oldest:
        months.append(Month((months[-1].first - DAY).replace(day=1)))
    return months


def logged_label(key_id: UUID) -> str | None:
    """How a key was called when it was last used; None for one the log does not know."""
    return next((label for (label,) in fetch(LABEL, {"key": key_id})), None)
