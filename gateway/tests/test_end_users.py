"""What each end user of a key used in a month, from the request log."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from gateway.end_users import (
    EndUserUse,
    Month,
    by_end_user,
    counted_from,
    logged_label,
    months_kept,
    read_month,
)
from gateway.models import RequestLog
from gateway.uuid7 import IdMaker

pytestmark = pytest.mark.django_db
NOVEMBER, NOON = Month(date(2026, 11, 1)), datetime(2026, 11, 15, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture
def key() -> UUID:
    return uuid4()


def log(key: UUID, end_user: str, moment: datetime = NOON, **known: Any) -> None:
    row = {"state": "ok", "status": 200, "attempt_count": 1, "cost_usd": Decimal(0), **known}
    id = UUID(IdMaker(moment.timestamp).new_id())
    RequestLog.objects.create(id=id, started_at=moment, key_id=key, end_user=end_user, **row)


def test_each_end_user_has_sums_and_the_dearest_comes_first(key: UUID):
    log(key, "ada", cost_usd=Decimal("0.5"), input_tokens=10, cached_tokens=3, output_tokens=2)
    log(key, "ada", cost_usd=Decimal("0.25"), input_tokens=5, state="upstream_error", estimated=True)
    log(key, "dan", cost_usd=Decimal(2), output_tokens=7)
    log(key, "")
    log(uuid4(), "ada", cost_usd=Decimal(99))

    used = by_end_user(key, NOVEMBER)

    assert used.users == (
        EndUserUse("dan", 1, 0, 0, 0, 7, Decimal(2)),
        EndUserUse("ada", 2, 1, 15, 3, 2, Decimal("0.75"), estimated=1),
        EndUserUse("", 1),
    )
    assert used.total == EndUserUse("", 4, 1, 15, 3, 9, Decimal("2.75"), estimated=1)
    assert (used.named, used.matching) == (2, 3)


def test_a_cost_nobody_knows_is_no_zero_and_a_refusal_costs_nothing(key: UUID):
    log(key, "ada", cost_usd=None)
    log(key, "dan", cost_usd=None)
    log(key, "dan", cost_usd=Decimal("0.1"))
    log(key, "eve", cost_usd=None, attempt_count=0, state="refused")

    users = by_end_user(key, NOVEMBER).users

    told = [(user.name, user.known_cost, user.unpriced) for user in users]
    assert told == [("dan", Decimal("0.1"), 1), ("ada", None, 1), ("eve", Decimal(0), 0)]


def test_a_month_has_its_first_moment_and_not_the_next_months(key: UUID):
    for month, end in ((NOVEMBER, datetime(2026, 12, 1, tzinfo=UTC)), (Month(date(2028, 2, 1)), LEAP)):
        first = datetime(month.first.year, month.first.month, 1, tzinfo=UTC)
        for moment in (first - SECOND, first, end - SECOND, end):
            log(key, "ada", moment)

        assert by_end_user(key, month).total.requests == 2


LEAP = datetime(2028, 3, 1, tzinfo=UTC)


def test_the_search_takes_text_as_it_is_written_in_any_case_and_leaves_the_total(key: UUID):
    for name in ("Ada@Example.com", "100%", "a_b", "axb", ""):
        log(key, name)

    found = {
        text: [user.name for user in by_end_user(key, NOVEMBER, text).users] for text in ("ada@", "%", "A_B")
    }
    assert found == {"ada@": ["Ada@Example.com"], "%": ["100%"], "A_B": ["a_b"]}
    nobody = by_end_user(key, NOVEMBER, "no\x00body")
    assert (nobody.users, nobody.matching, nobody.named, nobody.total.requests) == ((), 0, 4, 5)


def test_of_many_the_dearest_are_shown_and_all_are_counted(key: UUID):
    for number in range(5):
        log(key, f"user {number}", cost_usd=Decimal(number))

    used = by_end_user(key, NOVEMBER, limit=2)

    assert [user.name for user in used.users] == ["user 4", "user 3"]
    assert (used.matching, used.named, used.total.cost_usd) == (5, 5, Decimal(10))


def test_without_requests_there_is_nothing(key: UUID):
    used = by_end_user(key, NOVEMBER)

    assert (used.total.requests, used.named, used.matching, used.users) == (0, 0, 0, ())
    assert logged_label(key) is None


def test_a_key_is_called_as_when_it_was_last_used(key: UUID):
    log(key, "ada", key_label="old")
    log(key, "ada", NOON + SECOND, key_label="Lamino")

    assert logged_label(key) == "Lamino"


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-00", "2026-1", "26-11", "2026-11-01", "0000-01", "²026-11"]
)
def test_what_is_no_month_is_told_apart(text: str):
    assert read_month(text) is None


def test_a_month_is_read_and_written_alike():
    december = read_month("2026-12")

    assert december is not None
    assert (str(december), december.first, december.end) == ("2026-12", date(2026, 12, 1), date(2027, 1, 1))


def test_the_log_says_from_when_on_it_counts():
    today = date(2026, 11, 21)

    assert counted_from(NOVEMBER, 30, today) == date(2026, 11, 1)
    assert counted_from(NOVEMBER, 7, today) == date(2026, 11, 14)
    assert [str(month) for month in months_kept(30, today)] == ["2026-11", "2026-10"]
    assert [str(month) for month in months_kept(20, today)] == ["2026-11"]
