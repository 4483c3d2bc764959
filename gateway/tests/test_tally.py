"""Requests counted by the minute of their ids: what is told, what is kept, what is put away."""

from datetime import UTC, datetime, timedelta

from gateway.journal.tally import MINUTE, REMEMBERED, Tally
from gateway.uuid7 import id_floor

START = datetime(2026, 3, 29, 0, 59, tzinfo=UTC)


def id_in(minute: int) -> str:
    """An id of the so-many-th minute."""
    return str(id_floor(START + minute * MINUTE + timedelta(seconds=30)))


def one_request(tally: Tally, minute: int) -> None:
    """A request whose row is written while its minute still runs."""
    counted = tally.admit(id_in(minute))
    told = tally.untold([counted])
    counted.pending -= 1
    tally.note_told(told)


def test_minutes_of_which_all_is_told_are_not_looked_at_again_and_not_kept_for_ever() -> None:
    tally = Tally("a")
    for minute in range(REMEMBERED + 100):
        one_request(tally, minute)

    assert tally.is_told
    assert tally.untold() == {}
    assert len(tally._changing) == 1
    assert len(tally._quiet) == REMEMBERED


def test_a_clock_that_steps_back_finds_its_counts_again() -> None:
    tally = Tally("a")
    one_request(tally, 0)
    one_request(tally, 1)
    tally.admit(id_in(0))

    assert [(each.minute, each.admitted, each.pending) for each in tally.counts(tally.untold())] == [
        (START, 2, 1)
    ]
    one_request(tally, 1)
    assert tally.admit(id_in(1)).admitted == 3


def test_a_minute_with_running_requests_is_told_until_they_have_ended() -> None:
    tally = Tally("a")
    running = tally.admit(id_in(0))
    tally.note_told(tally.untold())
    one_request(tally, 1)
    assert tally.untold() == {}

    running.pending -= 1
    assert [(each.minute, each.pending) for each in tally.counts(tally.untold())] == [(START, 0)]
    tally.note_told(tally.untold())
    assert tally.is_told
