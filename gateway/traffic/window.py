"""Windows of time, and which roll-ups hold exactly what lies in one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gateway.traffic.tables import Family, Table

UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # a midnight


@dataclass(frozen=True, slots=True)
class Window:
    """From `since` until `until`, which is not in it; an `until` of None is now, with everything written so far.

    Readers begin and end at whole minutes, hours or days, whatever is still kept of that time, and say where.
    """

    since: datetime
    until: datetime | None = None

    @classmethod
    def last(cls, hours: float, now: datetime | None = None) -> "Window":
        """So many hours up to now."""
        return cls((now or datetime.now(UTC)) - timedelta(hours=hours))

    def minutes(self, now: datetime | None = None) -> float:
        """How long it is; at least a second, so that one can divide by it."""
        end = self.until or now or datetime.now(UTC)
        return max(end - self.since, timedelta(seconds=1)) / timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one table from `low` until `high`, not in it; None is open."""

    table: Table
    low: datetime
    high: datetime | None


def kept(window: Window, family: Family, now: datetime | None = None) -> Window:
    """The window widened to what is kept of its ends: minutes at first, later hours, then days."""
    today = now or datetime.now(UTC)
    since = floor(window.since, unit_at(window.since, family, today))
    if window.until is None or window.until >= today:
        return Window(since)
    return Window(since, ceiling(window.until, unit_at(window.until, family, today)))


def cover(window: Window, family: Family) -> list[Part]:
    """The parts that hold a window that `kept` made, each in the coarsest table where it is whole."""
    return parts(tuple(reversed(family.tables)), window.since, window.until)


def parts(tables: Sequence[Table], low: datetime, high: datetime | None) -> list[Part]:
    """The same for some of the tables, the coarsest first."""
    if not tables or low == high:
        return []
    table, *finer = tables
    begin = ceiling(low, table.unit)
    end = None if high is None else floor(high, table.unit)
    if end is not None and begin >= end:
        return parts(finer, low, high)
    after = [] if end is None else parts(finer, end, high)
    return [*parts(finer, low, begin), Part(table, begin, end), *after]


def unit_at(moment: datetime, family: Family, now: datetime) -> str:
    """The finest unit that is still kept of a moment."""
    age = now - moment
    return next((t.unit for t in family.tables if age <= t.keep_days * UNITS["day"]), family.tables[-1].unit)


def floor(moment: datetime, unit: str) -> datetime:
    """The begin of the minute, hour or day of UTC."""
    return EPOCH + (moment - EPOCH) // UNITS[unit] * UNITS[unit]


def ceiling(moment: datetime, unit: str) -> datetime:
    """The next begin, or the moment itself."""
    return EPOCH - (EPOCH - moment) // UNITS[unit] * UNITS[unit]
