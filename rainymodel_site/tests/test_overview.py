"""The admin's first page: figures of real requests, charts that are drawn, and what needs an operator."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx
import psycopg
import pytest
from django.db import connection
from playwright.sync_api import Page, sync_playwright

from accounts.issue import issue_key
from accounts.ledger.rules import NANO, period_of
from accounts.models import ApiKey, Role, User
from gateway.models import Worker
from gateway.state_models import UpstreamState
from gateway.tests.live import LiveGateway, live_gateway, sign_in_link
from gateway.traffic.figures import Figures
from rainymodel_site.overview.attention import MOST, Notice, notices, shortened
from rainymodel_site.overview.figures import percent, short
from rainymodel_site.overview.figures import period_of as period_named
from rainymodel_site.tests.running import eventually

DRAWN = """() => [...document.querySelectorAll("canvas.chart")].map((canvas) =>
  canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0))"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway("uvicorn", tmp_path_factory.mktemp("overview")) as running:
        yield running


@pytest.fixture
def page(gateway: LiveGateway) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_context(base_url=gateway.url).new_page()
        page.goto(sign_in_link(gateway))
        page.get_by_role("button").first.click()
        yield page
        browser.close()


def ask(gateway: LiveGateway, model: str) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=gateway.headers(), timeout=30)


def test_an_operator_sees_what_happened_and_what_needs_a_hand(gateway: LiveGateway, page: Page):
    page.goto("/admin/")
    assert "No request in this time" in page.inner_text(".overview")
    for model in ("rainymodel/auto", "rainymodel/auto", "lone/unauthorized"):
        ask(gateway, model)
    with psycopg.connect(gateway.dsn) as database:
        eventually(
            lambda: database.execute("SELECT sum(requests) FROM gateway_traffic_minute").fetchone() == (3,)
        )
        database.commit()
        eventually(
            lambda: database.execute("SELECT state FROM gateway_upstreamstate").fetchall() == [("held",)]
        )

    page.goto("/admin/?period=hour")
    told = page.inner_text(".overview")
    assert page.evaluate(DRAWN) == [True, True, True]
    assert (
        page.locator(".tile", has=page.get_by_text("Requests", exact=True)).locator(".value").inner_text()
        == "3"
    )
    assert (
        page.locator(".tile", has=page.get_by_text("Errors", exact=True)).locator(".value").inner_text()
        == "33.3 %"
    )
    assert "lone-3 no requests to the whole provider for 5 minutes" in " ".join(told.split())

    page.goto("/admin/console/health/?period=hour")
    assert "lone-3 Held" in " ".join(page.locator("tr", has_text="lone-3").first.inner_text().split())
    assert page.locator("svg.flow text").all_text_contents() == ["lone-3 · 1", "nobody · 1"]

    page.goto("/admin/?period=hour")
    page.get_by_role("link", name="Upstreams", exact=True).last.click()
    assert page.url.endswith("/admin/console/upstreams/")


@pytest.fixture
def admin(db: None) -> User:
    return User.objects.create(username="ada", role=Role.ADMIN)


def found(user: User, kind: str) -> list[str]:
    """The sentences about one place."""
    return [f"{one.subject} {one.sentence}" for one in notices(user, datetime.now(UTC)) if one.deed == kind]


def test_a_key_near_its_budget_is_told_before_it_is_used_up(admin: User):
    for label, usd, spent in (("near", 10, 8.5), ("far", 10, 1), ("over", 1, 1.25)):
        key, _ = issue_key(admin, label, usd_per_day=Decimal(usd))
        period = period_of("day", datetime.now(UTC).timestamp())
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO accounts_use VALUES (%s, %s, gen_random_uuid(), %s)",
                [f"key:{key.pk}:day", period, int(spent * NANO)],
            )
    rolled, _ = issue_key(admin, "near, rolled", usd_per_day=Decimal(10))
    ApiKey.objects.filter(label="near").update(replaced_by=rolled, revoked_at=datetime.now(UTC))
    assert found(admin, "Key") == [
        "over has spent $1.25 of $1.00 today",
        "near, rolled has spent $8.50 of $10.00 today",
    ]
    assert found(User(username="dev", role=Role.DEVELOPER), "Key") == []


def test_what_most_workers_keep_away_from_is_told_once(admin: User):
    now = datetime.now(UTC)
    times = {"started_at": now, "heartbeat_at": now}
    workers = [
        Worker.objects.create(hostname="a", number=number, pid=number, **times) for number in (1, 2, 3)
    ]
    Worker.objects.filter(pk=workers[2].pk).update(heartbeat_at=now - timedelta(minutes=5))
    for worker in (workers[0], workers[2]):
        UpstreamState.objects.create(
            worker=worker, deployment="sun/ok", provider="sun", state="open", circuit="open", failures=3,
            until=now + timedelta(seconds=42),
        )  # fmt: skip
    assert found(admin, "Upstreams") == [
        "sun/ok no requests for 42 seconds after 3 failures in a row (1 of 2 workers)"
    ]
    assert found(admin, "Workers") == ["a · worker 3 has not reported for 5 minutes"]


def test_of_a_dead_worker_whose_place_is_taken_nothing_is_told(admin: User):
    now = datetime.now(UTC)
    before = now - timedelta(minutes=5)
    Worker.objects.create(hostname="a", number=1, pid=1, started_at=before, heartbeat_at=before)
    assert found(admin, "Workers") == ["a · worker 1 has not reported for 5 minutes"]
    Worker.objects.create(hostname="a", number=1, pid=2, started_at=now, heartbeat_at=now)
    assert found(admin, "Workers") == []


def test_many_notices_of_a_kind_are_counted():
    many = [Notice(f"key {number}", "is near", "/", "Key") for number in range(MOST + 3)]
    assert [one.subject for one in shortened(many)] == ["key 0", "key 1", "key 2", "key 3", "and 4 more"]
    assert shortened(many[:MOST]) == many[:MOST]


@pytest.mark.parametrize(
    ("number", "told"),
    [(0, "0"), (9_999, "9,999"), (12_345, "12.3 k"), (4_500_000, "4.5 M"), (2 * 10**9, "2.0 G")],
)
def test_large_numbers_are_short(number: int, told: str):
    assert short(number) == told


def test_shares_keep_what_says_something():
    assert [percent(1, 10_000), percent(1, 3), percent(0, 5), percent(0, 0)] == [
        "0.01 %",
        "33.3 %",
        "0.0 %",
        "–",
    ]
    assert Figures().success_share is None


def test_an_unknown_period_is_a_day():
    assert period_named("century").word == "day"
