"""Reads the request log by the order of its ids: older or newer than a place, so far as patience reaches.

Nothing is counted and nothing is skipped over: a page begins at an id. A filter that few rows pass is looked for in
spans of time, each as wide as the one before it lets hope, until the page is full or the time is up; what was not
looked through yet is said, and the next page goes on there.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import monotonic
from uuid import UUID

from django.db import OperationalError, connection, transaction
from django.db.models import DateTimeField, QuerySet
from django.db.models.expressions import RawSQL

from gateway.log_filter import LogFilter
from gateway.models import RequestLog
from gateway.uuid7 import EPOCH, id_floor, time_of

PAGE_ROWS = 50
PATIENCE = 0.15  # seconds of looking for one page
LEAST_PATIENCE = 0.1  # for one narrow span, so that every page gets on
EDGE_PATIENCE = 2.0  # the first and the last id come at once, unless the table is locked
FIRST_SPAN = timedelta(minutes=1)
NARROWEST = timedelta(milliseconds=50)
WIDEST = timedelta(days=40)
EVERYTHING = WIDEST * 1000
LONG_REQUESTS = (timedelta(minutes=15), timedelta(seconds=20))  # what a look at the newest reaches back for
CANCELLED = "57014"  # the SQLSTATE of a statement that took too long
AFTER_THE_LAST = UUID(int=2**128 - 1)
NOT_IN_A_LIST = ("attempts", "usage_raw", "price", "parameter_edits", "reservation", "needs")
ENDED = RawSQL("started_at + coalesce(total_ms, 0) * interval '1 millisecond'", (), DateTimeField())
Rows = QuerySet[RequestLog]


class TooSlow(Exception):
    """Postgres was stopped: the span was not looked through within its time."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, the newest first, and how far the log was looked through for them.

    `reached` is the place to go on from in the same direction; None when the log ends there. `full`: the page has all
    the rows it may have, so `reached` is its last row. Otherwise everything up to `reached` was looked through and
    there is nothing else in it.
    """

    rows: tuple[RequestLog, ...]
    reached: UUID | None
    full: bool

    @property
    def reached_at(self) -> datetime | None:
        """The time of that place."""
        return None if self.reached is None else time_of(self.reached)


@dataclass(frozen=True, slots=True)
class Span:
    """Ids from `low` on and below `high`."""

    low: UUID
    high: UUID

    @property
    def empty(self) -> bool:
        """Whether no id can be in it."""
        return self.low >= self.high


def matching(wanted: LogFilter) -> Rows:
    """The rows of a filter, in no order and without a bound; whoever reads them adds both."""
    rows = RequestLog.objects.filter(wanted.condition)
    rows = rows if wanted.floor is None else rows.filter(id__gte=wanted.floor)
    return rows if wanted.ceiling is None else rows.filter(id__lt=wanted.ceiling)


def read_page(
    wanted: LogFilter,
    *,
    before: UUID | None = None,
    after: UUID | None = None,
    limit: int = PAGE_ROWS,
    patience: float = PATIENCE,
    whole_rows: bool = False,
) -> Page:
    """The newest rows of the filter that are older than `before`; with `after` the oldest that are newer than it.

    `patience` is in seconds; a page takes hardly longer. `whole_rows` brings the large columns too. Raises TooSlow
    when nothing can be read at all.
    """
    rows = RequestLog.objects.filter(wanted.condition)
    rows = rows if whole_rows else rows.defer(*NOT_IN_A_LIST)
    span = span_of(wanted, before, after)
    walk = Walk(rows, limit, upwards=after is not None, until=monotonic() + patience)
    if span.empty:
        return Page((), None, full=False)
    return walk.through(span, FIRST_SPAN if wanted.selective else EVERYTHING)


def span_of(wanted: LogFilter, before: UUID | None, after: UUID | None) -> Span:
    """Where there can be rows: within the filter's time, within the log's own, on the right side of the mark."""
    oldest, newest = edges()
    lows = [oldest, wanted.floor, following(after) if after else None]
    highs = [following(newest) if newest else oldest, wanted.ceiling, before]
    if oldest is None:
        return Span(AFTER_THE_LAST, AFTER_THE_LAST)
    return Span(max(filter(None, lows)), min(filter(None, highs)))


def edges() -> tuple[UUID | None, UUID | None]:
    """The ids of the oldest and of the newest row; one step along the primary key each."""
    ids = RequestLog.objects.values_list("id", flat=True)
    with at_most(EDGE_PATIENCE):
        return ids.order_by("id").first(), ids.order_by("-id").first()


def read_ended(wanted: LogFilter, since: datetime, limit: int) -> tuple[tuple[RequestLog, ...], timedelta]:
    """The rows of requests that ended since then, the latest begun first, and how long ones were looked for.

    A row comes at a request's end and bears the id of its beginning, so ids alone do not tell what is new. Where very
    many requests run, only short ones are looked for. Raises TooSlow when there is no time even for those.
    """
    rows = matching(wanted).defer(*NOT_IN_A_LIST).order_by("-id").annotate(ended=ENDED)
    for reach in LONG_REQUESTS:
        try:
            with at_most(PATIENCE):
                recent = rows.filter(id__gte=id_floor(since - reach), ended__gte=since)
                return tuple(recent[:limit]), reach
        except TooSlow:
            continue
    raise TooSlow


def following(id: UUID) -> UUID:
    """The next id that could be."""
    return UUID(int=min(id.int + 1, AFTER_THE_LAST.int))


@dataclass(slots=True)
class Walk:
    """Looks for `limit` rows, span after span, away from where it begins. Its time is over at `until`."""

    rows: Rows
    limit: int
    upwards: bool
    until: float

    def through(self, span: Span, width: timedelta) -> Page:
        """The page of what is found in the span; `width` is how much of it is looked through first."""
        found: list[RequestLog] = []
        while not span.empty:
            part, begun = self.first_part(span, width), monotonic()
            if found and begun >= self.until:
                return self.page(found, span)
            try:
                with at_most(max(self.until - begun, LEAST_PATIENCE)):
                    found += self.rows_in(part, self.limit - len(found))
            except TooSlow:
                width /= 10
                if width < NARROWEST or (found and monotonic() >= self.until):
                    return self.page(found, span)
                continue
            if len(found) >= self.limit:
                return replace(self.page(found, span), reached=found[-1].id, full=True)
            span = self.rest(span, part)
            now = monotonic()
            if now >= self.until:
                break
            width = wider(width, now - begun, self.until - now)
        return self.page(found, span)

    def first_part(self, span: Span, width: timedelta) -> Span:
        """The part of the span to look through next."""
        if self.upwards:
            return Span(span.low, min(span.high, moved(span.low, width)))
        return Span(max(span.low, moved(span.high, -width)), span.high)

    def rest(self, span: Span, part: Span) -> Span:
        """The span without a part that was looked through."""
        return Span(part.high, span.high) if self.upwards else Span(span.low, part.low)

    def rows_in(self, part: Span, limit: int) -> Sequence[RequestLog]:
        """So many rows of a part, the nearest first."""
        order = "id" if self.upwards else "-id"
        return list(self.rows.filter(id__gte=part.low, id__lt=part.high).order_by(order)[:limit])

    def page(self, found: list[RequestLog], span: Span) -> Page:
        """What was found, before all of the span was looked through or after it."""
        if self.upwards:
            found = found[::-1]
            reached = None if span.empty else UUID(int=span.low.int - 1)
        else:
            reached = None if span.empty else span.high
        return Page(tuple(found), reached, full=False)


def wider(width: timedelta, took: float, left: float) -> timedelta:
    """The next span: up to eight times as wide, and no wider than half of the time that is left lets hope."""
    factor = min(8.0, left / 2 / max(took, 0.001))
    return min(max(width * factor, NARROWEST), WIDEST)


def moved(id: UUID, width: timedelta) -> UUID:
    """The first id of the moment that lies so far from an id's."""
    if width >= EVERYTHING:
        return AFTER_THE_LAST
    if width <= -EVERYTHING:
        return UUID(int=0)
    return id_floor(max(time_of(id) + width, EPOCH))


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """A transaction in which no statement takes longer. Raises TooSlow."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            (usual,) = cursor.fetchone()
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{seconds * 1000:.0f}ms"])
            yield
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [usual])
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != CANCELLED:
            raise
        raise TooSlow from None
