"""What somebody's keys have used, from the request log: their own and nobody else's."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from accounts.caller import Defaults, token_caller, token_key_id
from accounts.models import User
from accounts.tests.people import key_of, person
from gateway.models import RequestLog
from gateway.own_usage import MOST_ROWS, Sums, daily, month_to_date, requests_of, total
from gateway.uuid7 import IdMaker

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 15, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def rosa() -> User:
    return person("rosa")


def key(owner: User, label: str = "Lamino") -> UUID:
    return key_of(owner, label)[0].pk


def log(owner: User, key_id: UUID, moment: datetime = NOW, **known: Any) -> RequestLog:
    row = {"state": "ok", "status": 200, "attempt_count": 1, "cost_usd": Decimal(0), **known}
    id = UUID(IdMaker(moment.timestamp).new_id())
    return RequestLog.objects.create(id=id, started_at=moment, key_id=key_id, user_id=str(owner.pk), **row)


def test_a_keys_month_begins_on_the_first_and_its_day_at_midnight_utc(rosa: User):
    mine = key(rosa)
    for moment in (
        datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 11, 1, tzinfo=UTC),
        NOW - DAY,
        datetime(2026, 11, 15, tzinfo=UTC),
        NOW,
    ):
        log(rosa, mine, moment, input_tokens=10, cached_tokens=3, output_tokens=2, cost_usd=Decimal("0.5"))

    used = month_to_date([mine], NOW)[mine]
    assert used.month == Sums(4, 0, 60, Decimal(2), 0)
    assert used.today == Sums(2, 0, 30, Decimal(1), 0)
    assert len(used.days) == 15 and used.days[0].day == date(2026, 11, 1)
    assert [day.sums.requests for day in used.days] == [1, *[0] * 12, 1, 2]


def test_the_month_of_an_eastern_clock_is_still_that_of_utc(rosa: User):
    mine = key(rosa)
    log(rosa, mine, datetime(2026, 10, 31, 23, tzinfo=UTC))
    eastern = datetime.fromisoformat("2026-11-01T08:00:00+09:00")  # still October in UTC

    assert month_to_date([mine], eastern)[mine].today.requests == 1


def test_each_key_has_its_own_sums_and_an_unused_one_zeros(rosa: User):
    one, other, unused = key(rosa), key(rosa), key(rosa)
    log(rosa, one), log(rosa, one), log(rosa, other)

    used = month_to_date([one, other, unused], NOW)
    assert [used[id].month.requests for id in (one, other, unused)] == [2, 1, 0]
    assert month_to_date([], NOW) == {}


def test_failures_are_counted_and_a_request_the_client_broke_off_is_none(rosa: User):
    mine = key(rosa)
    for state in ("ok", "cancelled", "client_error", "upstream_error", "truncated", "refused", "lost"):
        log(rosa, mine, state=state)

    assert month_to_date([mine], NOW)[mine].month.errors == 5


def test_a_cost_nobody_knows_is_counted_apart_and_a_refusal_costs_nothing(rosa: User):
    mine = key(rosa)
    log(rosa, mine, cost_usd=Decimal("0.25"))
    log(rosa, mine, cost_usd=None)
    log(rosa, mine, cost_usd=None, attempt_count=0, state="refused")

    sums = month_to_date([mine], NOW)[mine].month
    assert (sums.cost_usd, sums.unpriced) == (Decimal("0.25"), 1)


def test_every_day_is_there_today_last(rosa: User):
    mine, other = key(rosa), key(rosa)
    log(rosa, mine, NOW - 2 * DAY)
    log(rosa, other, NOW, state="lost")
    log(rosa, mine, NOW - 30 * DAY)

    days = daily(rosa.pk, 30, NOW)
    assert [day.day for day in days] == [date(2026, 10, 17) + n * DAY for n in range(30)]
    assert [day.sums.requests for day in days[-3:]] == [1, 0, 1]
    assert total(days) == Sums(2, 1, 0, Decimal(0), 0)
    assert total(daily(rosa.pk, 30, NOW, key_id=mine)).requests == 1


def test_nobody_sees_what_others_used(rosa: User):
    dan = person("dan")
    his = key(dan)
    log(dan, his)
    log(dan, uuid4())

    assert total(daily(rosa.pk, 30, NOW)).requests == 0
    assert total(daily(rosa.pk, 30, NOW, key_id=his)).requests == 0
    assert requests_of(rosa.pk) == [] and requests_of(rosa.pk, key_id=his) == []
    assert len(requests_of(dan.pk)) == 1


def test_requests_come_newest_first_over_all_keys_in_pages_that_miss_none(rosa: User):
    keys = [key(rosa, f"key {number}") for number in range(3)]
    rows = [log(rosa, keys[number % 3], NOW - number * HOUR) for number in range(8)]

    first = requests_of(rosa.pk, limit=3)
    second = requests_of(rosa.pk, before=first[-1].id, limit=3)
    third = requests_of(rosa.pk, before=second[-1].id, limit=3)
    assert [row.id for row in (*first, *second, *third)] == [row.id for row in rows]


def test_a_request_that_arrives_meanwhile_does_not_shift_the_pages(rosa: User):
    mine = key(rosa)
    rows = [log(rosa, mine, NOW - number * HOUR) for number in range(4)]
    first = requests_of(rosa.pk, limit=2)
    log(rosa, mine, NOW + HOUR)

    assert [row.id for row in requests_of(rosa.pk, first[-1].id)] == [rows[2].id, rows[3].id]


def test_requests_can_be_narrowed_by_key_and_by_ending(rosa: User):
    one, other = key(rosa), key(rosa)
    log(rosa, one, state="ok")
    bad = log(rosa, one, state="lost")
    log(rosa, other, state="lost")

    assert len(requests_of(rosa.pk, key_id=one)) == 2
    assert [row.id for row in requests_of(rosa.pk, key_id=one, states=["lost"])] == [bad.id]
    assert len(requests_of(rosa.pk, states=["lost", "ok"])) == 3


def test_a_page_is_never_endless_nor_empty(rosa: User):
    mine = key(rosa)
    for _ in range(203):
        log(rosa, mine)

    assert len(requests_of(rosa.pk, limit=1000)) == MOST_ROWS
    assert len(requests_of(rosa.pk, limit=0)) == 1


def test_a_row_tells_what_was_asked_and_what_came_of_it(rosa: User):
    mine = key(rosa)
    log(
        rosa,
        mine,
        key_label="Lamino",
        requested_model="rainymodel/auto",
        upstream="openai",
        upstream_model="gpt-4o-mini",
        input_tokens=2_000_000_000,
        output_tokens=2_000_000_000,
        cost_usd=None,
        total_ms=12.5,
        state="upstream_error",
        status=502,
        error_code="upstream_failed",
    )

    (row,) = requests_of(rosa.pk)
    assert (row.key_id, row.key_label, row.requested_model) == (mine, "Lamino", "rainymodel/auto")
    assert (row.upstream, row.upstream_model) == ("openai", "gpt-4o-mini")
    assert (row.tokens, row.cost_usd, row.total_ms) == (4_000_000_000, None, 12.5)
    assert (row.state, row.status, row.error_code) == ("upstream_error", 502, "upstream_failed")


def test_what_was_asked_by_single_sign_on_is_ones_own_too():
    rosa = person("rosa", issuer="https://login.example", subject="rosa@orcest.ai")
    known = {
        "owner_id": str(rosa.pk),
        "owner": "rosa",
        "role": "researcher",
        "account_requests_per_minute": None,
        "account_tokens_per_minute": None,
        "account_concurrent_requests": None,
        "account_usd_per_day": None,
        "account_usd_per_month": None,
    }
    caller = token_caller(rosa.issuer, rosa.subject, 0.0, known, Defaults())
    assert caller.key_id == str(token_key_id(rosa.issuer, rosa.subject))
    log(rosa, UUID(caller.key_id))

    assert len(requests_of(rosa.pk)) == 1 and total(daily(rosa.pk, 30, NOW)).requests == 1
