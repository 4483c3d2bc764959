"""A worker's view of a deployment in a sentence for an operator."""

from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from gateway.messages import HELD_AFTER, about
from gateway.narrative import FAILED, plain
from gateway.states.standing import DEMOTED, HALF_OPEN, HELD, OPEN
from routing.engine.health import OPERATOR

NAMES = {OPEN: "Open", HALF_OPEN: "Half-open", HELD: "Held", DEMOTED: "Demoted"}


class Row(Protocol):
    """What the sentences need to know; UpstreamState has it."""

    state: str
    until: datetime | None
    failures: int
    hold: str
    held_until: datetime | None
    whole_provider: bool
    last_word: str
    last_status: int | None
    last_at: datetime | None


def how_it_stands(row: Row, now: datetime, *, endless: bool = False) -> str:
    """What keeps requests away, how long and why. `endless`: an operator's order that has no end does."""
    match row.state:
        case "held":
            return held(row, now, endless=endless)
        case "open":
            if endless:
                return "no requests until an operator closes it"
            return f"no requests for {left(row.until, now)}{after_failures(row.failures)}"
        case "half_open":
            return f"one request at a time tries it{after_failures(row.failures)}"
        case "demoted":
            return "asked after its peers: it is far slower than it used to be"
    return "requests pass"


def held(row: Row, now: datetime, *, endless: bool) -> str:
    """A hold: an operator's, or what the upstream said."""
    if row.hold == OPERATOR:
        return f"no requests {'until an operator releases it' if endless else 'for ' + left(row.held_until, now)}"
    because = HELD_AFTER.get(row.hold)
    whose = " to the whole provider" if row.whole_provider else ""
    return f"no requests{whose} for {left(row.held_until, now)}{f' after {because}' if because else ''}"


def left(until: datetime | None, now: datetime) -> str:
    """`12 seconds`; a moment that has come by is about to be noticed."""
    seconds = 0.0 if until is None else (until - now).total_seconds()
    return about(max(seconds, 1.0))


def after_failures(count: int) -> str:
    """` after 3 failures in a row`, or nothing."""
    return f" after {count} failure{'' if count == 1 else 's'} in a row" if count else ""


def last_failure(row: Row, now: datetime) -> str:
    """`refused our credential (401), 12 seconds ago`; empty when it never failed."""
    if row.last_at is None or not row.last_word:
        return ""
    status = f" ({row.last_status})" if row.last_status else ""
    return (
        f"{plain(FAILED, row.last_word)}{status}, {about(max((now - row.last_at).total_seconds(), 1.0))} ago"
    )


def history(opened: int, held: int) -> str:
    """`opened it twice and held it once`; empty when neither ever happened."""
    return " and ".join(counted(opened, held))


def counted(opened: int, held: int) -> Iterator[str]:
    """The parts of `history`."""
    for word, count in (("opened", opened), ("held", held)):
        if count:
            yield f"{word} it {('once', 'twice')[count - 1] if count < 3 else f'{count} times'}"
