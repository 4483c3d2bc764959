"""What somebody wants to see of the request log: read from an address, told back as chips, turned into a condition.

Every filter is a parameter of the address, so that a view of the log can be kept, sent and gone back to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from accounts.moments import moment_words
from gateway.log_fields import FIELDS, Field, Unreadable
from gateway.uuid7 import EPOCH, id_floor

SPANS = {
    "15m": ("Last 15 minutes", timedelta(minutes=15)),
    "1h": ("Last hour", timedelta(hours=1)),
    "6h": ("Last 6 hours", timedelta(hours=6)),
    "1d": ("Last 24 hours", timedelta(days=1)),
    "7d": ("Last 7 days", timedelta(days=7)),
    "30d": ("Last 30 days", timedelta(days=30)),
}
LATEST = datetime(9999, 1, 1, tzinfo=UTC)
LONGEST_VALUE = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """One filter that is set: its parameter as it was given, and how a chip tells it."""

    name: str
    given: str
    title: str
    shown: str


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which rows. `floor` and `ceiling` bound the ids: from the one on, below the other; None is no bound.

    `problems` says, one sentence each, which parameters could not be read; those filter nothing.
    """

    wanted: tuple[Wanted, ...] = ()
    condition: Q = field(default_factory=Q)
    floor: UUID | None = None
    ceiling: UUID | None = None
    problems: tuple[str, ...] = ()

    @property
    def selective(self) -> bool:
        """Whether rows within the time may be left out."""
        return bool(self.condition)

    def query(self, without: str = "", **more: str) -> str:
        """The address's query that says the same, without one of its parameters and with others."""
        kept = [(one.name, one.given) for one in self.wanted if one.name != without]
        return urlencode([*kept, *((name, value) for name, value in more.items() if value)])

    def value(self, name: str) -> str:
        """A parameter as it was given; empty when it is not set."""
        return next((one.given for one in self.wanted if one.name == name), "")


def read_filter(params: Mapping[str, Any], now: datetime | None = None) -> LogFilter:
    """The filter that these parameters ask for; unknown ones are none of ours and left alone."""
    moment, condition = now or datetime.now(UTC), Q()
    wanted: list[Wanted] = []
    problems: list[str] = []
    floors: list[datetime] = []
    ceilings: list[datetime] = []
    for name, given in given_values(params):
        try:
            if name in ("last", "from", "to"):
                bound, one = read_time(name, given, moment)
                (ceilings if name == "to" else floors).append(bound)
            else:
                part, one = read_one(FIELDS[name], given)
                condition &= part
        except Unreadable as error:
            problems.append(str(error))
        else:
            wanted.append(one)
    floor = id_floor(max(floors)) if floors else None
    ceiling = id_floor(min(ceilings)) if ceilings else None
    return LogFilter(tuple(wanted), condition, floor, ceiling, tuple(problems))


def given_values(params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Our parameters that hold something, in our order."""
    for name in ("last", "from", "to", *FIELDS):
        given = str(params.get(name, "") or "").strip()[:LONGEST_VALUE]
        if given:
            yield name, given


def read_one(asked: Field, given: str) -> tuple[Q, Wanted]:
    """A field's condition and chip. Raises Unreadable."""
    return asked.condition(given), Wanted(asked.name, given, asked.title, asked.shown(given))


def read_time(name: str, given: str, now: datetime) -> tuple[datetime, Wanted]:
    """A bound in time and its chip. Raises Unreadable."""
    if name == "last":
        if given not in SPANS:
            raise Unreadable(f"last: {given} is none of {', '.join(SPANS)}.")
        title, span = SPANS[given]
        return now - span, Wanted(name, given, "Time", title)
    moment = read_moment(name, given)
    lasting = moment.isoformat().replace("+00:00", "Z")  # in a link it means the same to everybody
    return moment, Wanted(name, lasting, name.capitalize(), moment_words(moment))


def read_moment(name: str, given: str) -> datetime:
    """A day, or a moment; without a zone of its own it is in the viewer's, UTC for programs. Raises Unreadable."""
    try:
        moment = datetime.fromisoformat(given)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=timezone.get_current_timezone())
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unreadable(f"{name}: {given} is no time. Give one such as 2026-11-21T14:30.") from None
    return min(max(moment, EPOCH), LATEST)
