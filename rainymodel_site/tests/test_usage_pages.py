"""The page of own use: totals, days, and the requests themselves."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.test import Client

from accounts.models import ApiKey, Role, User
from accounts.tests.people import key_of, person, signed_in
from gateway.models import RequestLog
from gateway.own_usage import DayUse, Sums
from gateway.uuid7 import IdMaker
from rainymodel_site.keys.charts import COST, cost, draw, money

USAGE = "/usage/"
pytestmark = pytest.mark.django_db


@pytest.fixture
def rosa() -> User:
    return person("rosa")


@pytest.fixture
def browser(rosa: User) -> Client:
    return signed_in(rosa)


def log(row: ApiKey, ago: timedelta = timedelta(0), **known: Any) -> RequestLog:
    moment = datetime.now(UTC) - ago
    facts = {
        "state": "ok",
        "status": 200,
        "attempt_count": 1,
        "cost_usd": Decimal(0),
        "key_label": row.label,
        **known,
    }
    id = UUID(IdMaker(moment.timestamp).new_id())
    return RequestLog.objects.create(
        id=id, started_at=moment, key_id=row.pk, user_id=str(row.owner_id), **facts
    )


def asked(browser: Client, query: str = "") -> list[str]:
    """The models of the requests on a page, in order."""
    return [entry.row.requested_model for entry in browser.get(f"{USAGE}{query}").context["entries"]]


def test_who_is_not_signed_in_is_sent_to_sign_in_and_back_with_the_filter(client: Client):
    answer = client.get(f"{USAGE}?outcome=ok")

    assert answer["Location"] == "/signin/?next=/usage/%3Foutcome%3Dok"


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (Role.ADMIN, 200),
        (Role.DEVELOPER, 200),
        (Role.RESEARCHER, 200),
        (Role.VIEWER, 403),
        (Role.SERVICE, 403),
    ],
)
def test_who_may_open_the_page(role: Role, status: int):
    assert signed_in(person("somebody", role)).get(USAGE).status_code == status


def test_without_requests_the_page_says_what_to_do_first(browser: Client, rosa: User):
    assert 'href="/keys/new/"' in browser.get(USAGE).text
    key_of(rosa)

    page = browser.get(USAGE).text
    assert "curl " in page and 'href="/keys/new/"' not in page and "<figure" not in page


def test_even_an_operator_sees_only_their_own(rosa: User):
    row, _ = key_of(rosa)
    log(row, requested_model="hers")
    ada = signed_in(person("ada", Role.ADMIN))

    assert asked(ada) == [] and asked(ada, f"?key={row.pk}") == []


def test_totals_are_of_today_of_seven_and_of_thirty_days(browser: Client, rosa: User):
    row, _ = key_of(rosa)
    for days, amount in ((0, "1"), (3, "0.5"), (20, "0.25"), (40, "99")):
        log(row, timedelta(days=days), cost_usd=Decimal(amount), input_tokens=1000, state="lost")

    totals = browser.get(USAGE).context["totals"]
    assert [(one.span, one.cost, one.requests, one.tokens, one.failed) for one in totals] == [
        ("Today", "$1.00", "1 request", "1,000 tokens", "1 failed"),
        ("7 days", "$1.50", "2 requests", "2,000 tokens", "2 failed"),
        ("30 days", "$1.75", "3 requests", "3,000 tokens", "3 failed"),
    ]


def test_the_days_are_drawn_and_written(browser: Client, rosa: User):
    row, _ = key_of(rosa)
    log(row), log(row, state="refused")
    page = browser.get(USAGE).text

    assert "Requests per day" in page and "the most: 2 requests." in page and "2 requests, 1 failed" in page
    table = page[page.index("Use per day, all outcomes") :].split("</table>")[0]
    assert table.count("<tr>") == 31
    assert "Tokens per day" in browser.get(f"{USAGE}?show=tokens").text


def test_a_request_tells_what_came_of_it(browser: Client, rosa: User):
    row, _ = key_of(rosa)
    bad = log(
        row,
        requested_model="rainymodel/auto",
        upstream="openai",
        upstream_model="gpt-4o-mini",
        state="upstream_error",
        error_code="no_healthy_upstream",
        input_tokens=1200,
        estimated=True,
        cost_usd=None,
        total_ms=2100,
    )
    page = browser.get(USAGE).text

    for text in (
        "rainymodel/auto",
        "openai · gpt-4o-mini",
        "Upstream error",
        "no_healthy_upstream",
        str(bad.pk),
    ):
        assert text in page
    for cell in (">~1,200<", ">unknown<", ">2.1 s<"):
        assert cell in page


def test_requests_are_paged_without_a_gap(browser: Client, rosa: User):
    row, _ = key_of(rosa)
    for number in range(120):
        log(row, timedelta(minutes=number), requested_model=f"m{number}")

    seen, address = [], USAGE
    for _ in range(3):
        page = browser.get(address)
        seen += [entry.row.requested_model for entry in page.context["entries"]]
        older = re.search(r'href="(\?[^"]*before=[^"]+)">Older', page.text)
        address = f"{USAGE}{older[1]}" if older else ""
    assert seen == [f"m{number}" for number in range(120)] and not address
    assert "Newest" in page.text


def test_the_last_page_exactly_filled_offers_no_older_one(browser: Client, rosa: User):
    row, _ = key_of(rosa)
    for number in range(50):
        log(row, timedelta(minutes=number))

    assert ">Older<" not in browser.get(USAGE).text


def test_requests_are_narrowed_by_key_and_by_outcome(browser: Client, rosa: User):
    one, other = key_of(rosa, "one")[0], key_of(rosa, "other")[0]
    log(one, requested_model="a")
    log(one, requested_model="b", state="lost")
    log(other, requested_model="c", state="lost")

    assert asked(browser, f"?key={one.pk}") == ["b", "a"]
    assert asked(browser, "?outcome=lost") == ["c", "b"]
    assert asked(browser, f"?key={one.pk}&outcome=lost") == ["b"]
    assert browser.get(f"{USAGE}?key={one.pk}").context["totals"][0].requests == "2 requests"
    nothing = browser.get(f"{USAGE}?outcome=truncated").text
    assert "No request matches" in nothing


def test_the_next_page_keeps_the_filter(browser: Client, rosa: User):
    row, _ = key_of(rosa)
    for number in range(51):
        log(row, timedelta(minutes=number), state="lost")

    older = re.search(r'href="(\?[^"]*)">Older', browser.get(f"{USAGE}?outcome=lost&show=cost").text)
    assert older and "outcome=lost" in older[1] and "show=cost" in older[1]


@pytest.mark.parametrize(
    "query", ["?key=x", "?before=x", "?outcome=x", "?show=x", "?key=%00&before=%00&outcome=%00"]
)
def test_an_address_that_says_nothing_shows_everything(browser: Client, rosa: User, query: str):
    log(key_of(rosa)[0], requested_model="a")

    assert asked(browser, query) == ["a"]


def test_what_clients_and_upstreams_wrote_is_text_and_nothing_more(browser: Client, rosa: User):
    row, _ = key_of(rosa)
    hostile = "<script>alert(1)</script>\u202egpj\u202c"
    log(
        row,
        requested_model=hostile,
        upstream=hostile,
        upstream_model=hostile,
        error_code=hostile,
        state="lost",
    )
    page = browser.get(USAGE)

    assert "<script>alert" not in page.text and "\u202e" not in page.text and "⟨U+202E⟩" in page.text
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=", page.text)
    assert "unsafe" not in page["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "$0"),
        ("0.000000123", "$0.00000012"),
        ("0.0012", "$0.0012"),
        ("0.01", "$0.01"),
        ("1234.5", "$1,234.50"),
    ],
)
def test_money_is_as_exact_as_it_tells_something(amount: str, text: str):
    assert money(Decimal(amount)) == text


def test_a_cost_that_is_partly_unknown_says_so():
    assert cost(Sums(requests=2, cost_usd=Decimal(1), unpriced=1)) == "$1.00 + unknown"
    assert cost(Sums(requests=2, unpriced=2)) == "unknown"


def test_a_small_day_beside_a_large_one_can_still_be_seen():
    today = datetime.now(UTC).date()
    sums = (Sums(), Sums(cost_usd=Decimal("0.0001")), Sums(cost_usd=Decimal(100)))
    chart = draw([DayUse(today, one) for one in sums], COST, slots=3, slot=5, gap=1, height=26)

    assert [bar.height for bar in chart.bars] == [0, 2, 26]
    assert [bar.y for bar in chart.bars] == [26, 24, 0]
