"""What to tell about a rule, from what it had found before and what it finds now. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

FIRING, RESOLVED, REMINDER = "firing", "resolved", "reminder"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a rule found: `identity` is the same at every look, the sentence may change."""

    identity: str
    subject: str
    sentence: str
    link: str = ""


@dataclass(frozen=True, slots=True)
class Known:
    """A trouble as it stood after the last look; `told_at` is None while nobody was told of it."""

    identity: str
    seen_at: datetime
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Habits:
    """A rule's manners: no message while `quiet`; a trouble is over when it was gone for `calm`."""

    quiet: bool = False
    calm: timedelta = timedelta(0)
    remind: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Identities by what is to be told of them, and those to forget without a word."""

    begun: tuple[str, ...] = ()
    reminded: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ()
    forgotten: tuple[str, ...] = ()
    awaiting: tuple[str, ...] = ()  # over, to be told after the quiet hours


def plan(known: Iterable[Known], found: Mapping[str, Trouble], habits: Habits, now: datetime) -> Plan:
    """What one look leads to: each trouble is told once when it begins, again as a reminder, and when it ends."""
    before = {one.identity: one for one in known}
    over = [one for one in before.values() if one.identity not in found and now - one.seen_at >= habits.calm]
    told_of = tuple(one.identity for one in over if one.told_at is not None)
    forgotten = tuple(one.identity for one in over if one.told_at is None)
    if habits.quiet:
        return Plan(forgotten=forgotten, awaiting=told_of)
    return Plan(
        begun=tuple(name for name in found if name not in before or before[name].told_at is None),
        reminded=tuple(name for name in found if name in before and is_due(before[name], habits, now)),
        resolved=told_of,
        forgotten=forgotten,
    )


def is_due(known: Known, habits: Habits, now: datetime) -> bool:
    """Whether it is time for a reminder."""
    return known.told_at is not None and habits.remind is not None and now - known.told_at >= habits.remind
