"""Alerts without a database: when counts reach a rule, when it is quiet, and what is told at which look."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from rainymodel_site.alerts.firing import Habits, Known, Plan, Trouble, plan
from rainymodel_site.alerts.judging import Counts, is_quiet, share_reached, spend_reached
from rainymodel_site.alerts.outbox import LONGEST_PAUSE, pause
from rainymodel_site.alerts.words import for_slack

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
SUN = {"sun": Trouble("sun", "sun", "is down")}
QUIET = Habits(quiet=True)


@pytest.mark.parametrize(
    ("counted", "bad", "threshold", "least", "fires"),
    [
        (100, 10, "10", 20, True),
        (100, 9, "10", 20, False),
        (1000, 25, "2.5", 20, True),
        (19, 19, "10", 20, False),
        (20, 20, "100", 20, True),
        (0, 0, "10", 0, False),
    ],
    ids=["at the threshold", "below it", "fractions", "too few", "all of them", "none at all"],
)
def test_a_share_fires_from_its_threshold_on_when_there_are_enough(counted, bad, threshold, least, fires):
    told = share_reached(Counts(counted, bad, "requests failed"), Decimal(threshold), least, 15)
    assert bool(told) is fires


def test_a_share_is_told_with_its_figures():
    told = share_reached(Counts(1200, 150, "requests failed"), Decimal("10.00"), 20, 15)
    assert told == "12.5 % of 1,200 requests failed in the last 15 minutes; the rule fires from 10 % on"


def test_spend_fires_from_its_amount_on():
    assert spend_reached(Decimal("4.999"), Decimal(5)) == ""
    assert spend_reached(Decimal("5"), Decimal(5)) == "$5.00 spent today (UTC); the rule fires from $5.00 on"


@pytest.mark.parametrize(
    ("begin", "end", "zone", "quiet"),
    [
        (None, None, "UTC", False),
        (time(12), time(13), "UTC", True),
        (time(11), time(12), "UTC", False),
        (time(22), time(7), "UTC", False),
        (time(13), time(15), "Europe/Berlin", True),
        (time(22), time(7), "Pacific/Auckland", True),
    ],
    ids=["never", "the first moment", "the last one", "a night elsewhere", "by its zone", "past midnight"],
)
def test_quiet_hours_are_those_of_their_time_zone(begin, end, zone, quiet):
    assert is_quiet(NOON, begin, end, ZoneInfo(zone)) is quiet


@pytest.mark.parametrize(
    ("known", "found", "habits", "decided"),
    [
        ((), SUN, Habits(), Plan(begun=("sun",))),
        ((Known("sun", NOON, NOON),), SUN, Habits(), Plan()),
        ((Known("sun", NOON, NOON),), {}, Habits(), Plan(resolved=("sun",))),
        ((Known("sun", NOON, NOON),), {}, Habits(calm=HOUR), Plan()),
        ((Known("sun", NOON - HOUR, NOON - HOUR),), {}, Habits(calm=HOUR), Plan(resolved=("sun",))),
        ((Known("sun", NOON, NOON - HOUR),), SUN, Habits(remind=HOUR), Plan(reminded=("sun",))),
        ((Known("sun", NOON, NOON - HOUR),), SUN, Habits(remind=2 * HOUR), Plan()),
        ((), SUN, QUIET, Plan()),
        ((Known("sun", NOON),), SUN, QUIET, Plan()),
        ((Known("sun", NOON),), SUN, Habits(), Plan(begun=("sun",))),
        ((Known("sun", NOON),), {}, QUIET, Plan(forgotten=("sun",))),
        ((Known("sun", NOON, NOON),), {}, QUIET, Plan(awaiting=("sun",))),
        ((Known("sun", NOON, NOON - HOUR),), SUN, Habits(quiet=True, remind=HOUR), Plan()),
    ],
    ids=[
        "begins",
        "goes on",
        "ends",
        "gone, not yet for long",
        "gone for long enough",
        "time for a reminder",
        "too early for one",
        "begins in quiet hours",
        "goes on in quiet hours",
        "still there after them",
        "came and went within them",
        "ends within them",
        "a reminder within them",
    ],
)
def test_what_one_look_tells(known, found, habits, decided):
    assert plan(known, found, habits, NOON) == decided


def test_a_failing_channel_is_left_alone_twice_as_long_each_time():
    assert [pause(failures).total_seconds() for failures in (0, 1, 2)] == [30, 60, 120]
    assert pause(100) == LONGEST_PAUSE


def test_a_name_cannot_call_everybody_in_slack():
    told = {"event": "firing", "rule": "<!channel>", "at": "now", "troubles": [], "more": 0, "link": ""}
    assert "&lt;!channel&gt;" in for_slack(told)["text"]
