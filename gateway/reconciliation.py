"""Whether every admitted request is accounted for: what the workers counted, beside what the tables hold.

For each minute of the requests' ids,
admitted = recorded + set aside + lost + in flight + left behind, where `admitted` is without what was discarded.
In flight is what a living worker still has to end or to write; left behind, what a silent one had when it last told.
"""

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection

from gateway.journal.tally import MINUTE
from gateway.models import Worker
from gateway.uuid7 import id_floor

STEP = timedelta(hours=1)  # one question each: one moment's view of all tables
_MINUTE = "to_timestamp(('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint / 60000 * 60)"
QUESTION = f"""
SELECT minute, sum(admitted), sum(recorded), sum(set_aside), sum(lost), sum(in_flight), sum(left_behind) FROM (
    SELECT minute, admitted - discarded AS admitted, 0 AS recorded, 0 AS set_aside, 0 AS lost,
           CASE WHEN lives.id IS NOT NULL THEN pending ELSE 0 END AS in_flight,
           CASE WHEN lives.id IS NULL THEN pending ELSE 0 END AS left_behind
        FROM gateway_admission LEFT JOIN gateway_worker AS lives
            ON lives.id::text = worker AND heartbeat_at > now() - %(patience)s
        WHERE minute >= %(since)s AND minute < %(until)s
    UNION ALL
    SELECT {_MINUTE}, 0, count(*) FILTER (WHERE state <> 'lost'), 0, count(*) FILTER (WHERE state = 'lost'), 0, 0
        FROM gateway_requestlog WHERE id >= %(first)s AND id < %(end)s GROUP BY 1
    UNION ALL
    SELECT {_MINUTE}, 0, 0, count(*), 0, 0, 0
        FROM gateway_deadletter AS refused WHERE id >= %(first)s AND id < %(end)s
            AND NOT EXISTS (SELECT FROM gateway_requestlog AS row WHERE row.id = refused.id) GROUP BY 1
) AS told GROUP BY minute ORDER BY minute
"""  # noqa: S608  (no value is put in)


@dataclass(frozen=True, slots=True)
class Account:
    """The sums of a time window that begins at `since`; `until` is not in it."""

    since: datetime
    until: datetime
    admitted: int = 0
    recorded: int = 0
    set_aside: int = 0
    lost: int = 0
    in_flight: int = 0
    left_behind: int = 0

    @property
    def missing(self) -> int:
        """Admitted requests of which nothing is known; below zero: rows that nobody admitted."""
        accounted = self.recorded + self.set_aside + self.lost + self.in_flight + self.left_behind
        return self.admitted - accounted

    @property
    def is_settled(self) -> bool:
        """Whether every request is accounted for, and no dead worker's journal waits."""
        return not self.missing and not self.left_behind

    def __add__(self, part: "Account") -> "Account":
        """This window with the numbers of a part of it added."""
        sums = (mine + its for mine, its in zip(astuple(self)[2:], astuple(part)[2:], strict=True))
        return Account(self.since, self.until, *sums)


def counted_since() -> datetime | None:
    """The first minute that is counted; None when nothing has been admitted yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT min(minute) FROM gateway_admission")
        first: datetime | None = cursor.fetchone()[0]
    return first


def minutes(since: datetime, until: datetime) -> list[Account]:
    """The minutes of a window in which there is anything, at one moment."""
    values: dict[str, Any] = {
        "since": since,
        "until": until,
        "first": id_floor(since),
        "end": id_floor(until),
        "patience": Worker.SILENT_AFTER,
    }
    with connection.cursor() as cursor:
        cursor.execute(QUESTION, values)
        found = cursor.fetchall()
    return [Account(minute, minute + MINUTE, *map(int, numbers)) for minute, *numbers in found]


def hours(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The window in parts of an hour at most, in order."""
    while since < until:
        end = min(until, since + STEP)
        yield since, end
        since = end


def whole_minute(moment: datetime) -> datetime:
    """The minute's begin, in UTC."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)
