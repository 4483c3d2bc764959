"""Looking through the request log: in bounded steps that together leave nothing out."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from accounts.models import Role, User
from gateway.log_filter import read_filter
from gateway.log_query import Page, TooSlow, at_most, read_ended, read_page
from gateway.models import RequestLog
from gateway.request_list import list_page
from gateway.tests.log_database import conninfo
from gateway.uuid7 import IdMaker

NOW = datetime.now(UTC)
RARE = {"tier": "rare"}


def log(ago: timedelta, **known: Any) -> RequestLog:
    moment = NOW - ago
    row = {"state": "ok", "status": 200, **known}
    return RequestLog.objects.create(id=UUID(IdMaker(moment.timestamp).new_id()), started_at=moment, **row)


def impatient(wanted: dict[str, str], **at: Any) -> Page:
    return read_page(read_filter(wanted), patience=0, **at)


def steps(wanted: dict[str, str], way: str) -> Iterator[Page]:
    """Page after page, each with no patience at all, until the log ends."""
    mark = UUID(int=1) if way == "after" else None
    while True:
        page = impatient(wanted, **{way: mark})
        yield page
        if page.reached is None:
            return
        mark = page.reached


@pytest.mark.django_db
@pytest.mark.parametrize("way", ["before", "after"])
def test_steps_that_each_end_early_find_every_row_once_and_in_order(way: str):
    for minutes in range(12):
        log(timedelta(minutes=minutes), tier="rare" if minutes % 5 == 0 else "usual")

    pages = list(steps(RARE, way))

    found = [row.id for page in pages for row in (page.rows if way == "before" else page.rows[::-1])]
    wanted = RequestLog.objects.filter(tier="rare").order_by("-id" if way == "before" else "id")
    assert found == list(wanted.values_list("id", flat=True))
    assert len(pages) > 5


@pytest.mark.django_db
def test_a_page_that_ends_early_says_how_far_it_looked_and_where_to_go_on():
    log(timedelta(hours=5), tier="rare")
    log(timedelta(0), tier="usual")
    page = impatient(RARE)
    assert (page.rows, page.full) == ((), False)
    assert page.reached_at is not None
    assert NOW - timedelta(minutes=2) < page.reached_at <= NOW


@pytest.mark.django_db
def test_a_patient_look_reaches_the_beginning_of_the_log():
    row = log(timedelta(days=3), tier="rare")
    log(timedelta(0), tier="usual")

    page = list_page(RARE)

    assert [line.id for line in page.lines] == [row.id]
    assert (page.reach, page.older) == (None, "")


@pytest.mark.django_db
def test_rows_that_come_meanwhile_move_nothing():
    rows = [log(timedelta(minutes=minutes)) for minutes in range(6)]
    first = read_page(read_filter({}), limit=3)

    log(timedelta(0))
    second = read_page(read_filter({}), before=first.reached, limit=3)

    assert [row.id for page in (first, second) for row in page.rows] == [row.id for row in rows]


@pytest.mark.django_db
def test_what_ended_just_now_is_news_however_long_ago_it_began():
    long_one = log(timedelta(minutes=9), total_ms=9 * 60_000.0)
    log(timedelta(minutes=9), total_ms=2000.0)
    short_one = log(timedelta(seconds=2), total_ms=1500.0)

    rows, _ = read_ended(read_filter({}), NOW - timedelta(seconds=3), 10)

    assert [row.id for row in rows] == [short_one.id, long_one.id]


@pytest.mark.django_db(transaction=True)
def test_a_locked_log_makes_the_page_say_so_in_time():
    client = Client()
    client.force_login(User.objects.create(username="ada", role=Role.ADMIN, is_staff=True))

    with psycopg.connect(conninfo()) as holder:
        holder.execute("LOCK TABLE gateway_requestlog IN ACCESS EXCLUSIVE MODE")
        html = client.get(reverse("admin:gateway_requestlog_changelist")).content.decode()

    assert "The log did not answer in time" in html


@pytest.mark.django_db
@pytest.mark.parametrize("index", ["requestlog_end_user", "requestlog_fallback"])
def test_every_day_has_its_part_of_the_indexes_for_filters(index: str):
    days = "SELECT count(*) FROM pg_partition_tree('gateway_requestlog') WHERE isleaf"
    parts = "SELECT count(*) FROM pg_partition_tree(%s::regclass) WHERE isleaf"
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = %s::regclass"

    with connection.cursor() as cursor:
        cursor.execute(f"SELECT ({days}) = ({parts}), ({valid})", [index, index])
        assert cursor.fetchone() == (True, True)


@pytest.mark.django_db
def test_a_statement_that_takes_too_long_is_known_by_its_code_in_any_language():
    with pytest.raises(TooSlow), at_most(0.05), connection.cursor() as cursor:
        cursor.execute("DO $$ BEGIN RAISE 'zu langsam' USING ERRCODE = '57014'; END $$")
    with pytest.raises(OperationalError), at_most(0.05), connection.cursor() as cursor:
        cursor.execute("DO $$ BEGIN RAISE 'no statement timeout' USING ERRCODE = '57P03'; END $$")
