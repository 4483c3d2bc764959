"""Roll-ups made anew from the log, and the proof that they agree with it.

While an hour or a day is made anew, writers wait for its end: a moment, and nothing is lost by it. Only days that the
log still holds are touched, so that what was rolled up of older ones stays.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection, transaction

from gateway.traffic import retention
from gateway.traffic.roll_up import of_rows, of_sums
from gateway.traffic.tables import FAMILIES, TRAFFIC, Family, Table, facts
from gateway.traffic.window import UNITS, ceiling, floor
from gateway.uuid7 import id_floor, time_of

# Every writer needs this table, so that one lock keeps all of them out.
LOCK = f"LOCK TABLE {TRAFFIC.tables[0].name} IN SHARE ROW EXCLUSIVE MODE"
LIMITS = "SELECT set_config('jit', 'off', true), set_config('work_mem', '128MB', true)"
ROWS = "gateway_requestlog WHERE id >= %s AND id < %s"


@dataclass(frozen=True, slots=True)
class Difference:
    """A table's rows of one day that are not what the log says: `wrong` are there, `missing` are not."""

    table: str
    day: datetime
    wrong: int
    missing: int


def whole_days(since: datetime, until: datetime) -> tuple[datetime, datetime]:
    """The window widened to whole days, without those that the log does not hold any more."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM gateway_requestlog ORDER BY id LIMIT 1")
        oldest = cursor.fetchone()
    end = ceiling(until, "day")
    return (max(floor(since, "day"), floor(time_of(oldest[0]), "day")), end) if oldest else (end, end)


def steps(since: datetime, until: datetime, unit: str) -> Iterator[tuple[datetime, datetime]]:
    """The hours or days of a window, in order."""
    while since < until:
        yield since, since + UNITS[unit]
        since += UNITS[unit]


def rebuild(since: datetime, until: datetime) -> Iterator[datetime]:
    """Make the roll-ups of these days anew, one after the other; yields each day that is done."""
    with hours_stay():
        for day, following in steps(*whole_days(since, until), "day"):
            for low, high in steps(day, following, "hour"):
                rebuild_hour(low, high)
            rebuild_day(day, following)
            yield day


@contextmanager
def hours_stay() -> Iterator[None]:
    """Nobody deletes old hours meanwhile: days are made of them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", (retention.LOCK,))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", (retention.LOCK,))


@transaction.atomic
def rebuild_hour(low: datetime, high: datetime) -> None:
    """The minutes, where they are still kept, and the hour, from the log."""
    tables = [(family, table) for family, table in kept_tables(low) if table.unit != "day"]
    with connection.cursor() as cursor:
        cursor.execute(LIMITS)
        cursor.execute(LOCK)
        for _, table in tables:
            cursor.execute(f"DELETE FROM {table.name} WHERE at >= %s AND at < %s", (low, high))
        put = ",\n".join(
            f"put_{table.name} AS (INSERT INTO {table.name} ({', '.join(family.columns)}) {of_rows(family, table)})"
            for family, table in tables
        )
        cursor.execute(f"WITH {facts(ROWS)},\n{put}\nSELECT", (id_floor(low), id_floor(high)))


@transaction.atomic
def rebuild_day(low: datetime, high: datetime) -> None:
    """The day, from its hours."""
    with connection.cursor() as cursor:
        cursor.execute(LIMITS)
        cursor.execute(LOCK)
        for family in FAMILIES:
            hours, days = family.table("hour"), family.table("day")
            cursor.execute(f"DELETE FROM {days.name} WHERE at >= %s AND at < %s", (low, high))
            cursor.execute(
                f"INSERT INTO {days.name} ({', '.join(family.columns)})"
                f" {of_sums(family, days, f'{hours.name} WHERE at >= %s AND at < %s')}",
                (low, high),
            )


def kept_tables(low: datetime) -> list[tuple[Family, Table]]:
    """Which levels hold what begins at `low`; hours always, since days are made of them."""
    age = datetime.now(UTC) - low
    return [
        (family, table)
        for family in FAMILIES
        for table in family.tables
        if table.unit == "hour" or age < table.keep_days * UNITS["day"]
    ]


def differences(since: datetime, until: datetime) -> Iterator[tuple[datetime, list[Difference]]]:
    """For each of these days in which tables log and roll-ups differ; each table in one moment's view."""
    for day, following in steps(*whole_days(since, until), "day"):
        age = datetime.now(UTC) - day
        tables = [(f, t) for f in FAMILIES for t in f.tables if age < t.keep_days * UNITS["day"]]
        found = [difference(family, table, day, following) for family, table in tables]
        yield day, [each for each in found if each.wrong or each.missing]


@transaction.atomic
def difference(family: Family, table: Table, low: datetime, high: datetime) -> Difference:
    """How one table's rows of a day differ from what the log says."""
    statement = f"""
WITH {facts(ROWS)},
told AS ({of_rows(family, table)}),
known AS (SELECT {", ".join(family.columns)} FROM {table.name} WHERE at >= %s AND at < %s)
SELECT (SELECT count(*) FROM (SELECT * FROM known EXCEPT ALL SELECT * FROM told) AS wrong),
       (SELECT count(*) FROM (SELECT * FROM told EXCEPT ALL SELECT * FROM known) AS missing)"""
    with connection.cursor() as cursor:
        cursor.execute(LIMITS)
        cursor.execute(statement, (id_floor(low), id_floor(high), low, high))
        [(wrong, missing)] = cursor.fetchall()
    return Difference(table.name, low, wrong, missing)
