"""The request log in a real browser: filtered, opened, gone back from; watched live; taken away as a file."""

import csv
import io
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import closing
from zoneinfo import ZoneInfo

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from gateway.tests.live import LiveGateway, live_gateway, sign_in_link
from rainymodel_site.tests.browser import Person

CHROMIUM = shutil.which("chromium")  # none: the one that playwright brings
LIST = "/admin/gateway/requestlog/"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway("uvicorn", tmp_path_factory.mktemp("requests")) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, watched: LiveGateway) -> Iterator[Page]:
    """An operator's page; what its console complains of fails the test."""
    complaints: list[str] = []
    context = chromium.new_context(base_url=watched.url)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.goto(sign_in_link(watched))
    page.get_by_role("button").first.click()
    yield page
    context.close()
    assert complaints == []


def ask(gateway: LiveGateway, model: str) -> str:
    """One request, answered and in the log; its id."""
    answer = httpx.post(
        f"{gateway.url}/v1/chat/completions",
        headers=gateway.headers(),
        json={"model": model, "messages": [{"role": "user", "content": "hello"}]},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    gateway.row(answer.headers["x-request-id"])
    return answer.headers["x-request-id"]


def line(page: Page, id: str):
    return page.locator(f"#row-{id}")


def test_one_filters_opens_a_request_reads_why_it_went_there_and_comes_back(
    page: Page, watched: LiveGateway
) -> None:
    plain, fell = ask(watched, "rainymodel/auto"), ask(watched, "after/dead")

    page.goto(LIST)
    expect(line(page, plain)).to_be_visible()
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Alias").select_option("after/dead")
    page.get_by_label("Fallback", exact=True).select_option("yes")
    page.get_by_role("button", name="Show").last.click()

    expect(page).to_have_url(re.compile(r"\?alias=after%2Fdead&fallback=yes$"))
    expect(line(page, plain)).to_have_count(0)
    line(page, fell).get_by_role("link").click()
    expect(page.get_by_text("dead could not be reached").first).to_be_visible()
    why = page.get_by_role("region", name="Why it went there")
    expect(why).to_contain_text(
        "Policy auto, which holds where nobody names another, tries its tiers in this order: free (as the alias lists"
        " them), then direct (as the alias lists them)."
    )
    expect(why).to_contain_text(
        "rain/ok answered because what came before it failed: dead/ok could not be reached."
    )
    expect(page.get_by_role("img", name=re.compile("of the whole time")).first).to_be_visible()

    page.get_by_role("link", name="Back to the filtered list").click()
    expect(line(page, fell)).to_be_visible()
    page.get_by_role("link", name="Alias after/dead").click()
    page.get_by_role("link", name="Fallback Yes").click()
    expect(line(page, plain)).to_be_visible()


def test_times_are_those_of_the_viewers_zone_from_the_first_page_on(
    chromium: Browser, watched: LiveGateway
) -> None:
    id = ask(watched, "rainymodel/auto")
    at = watched.row(id)["started_at"].astimezone(ZoneInfo("Asia/Tokyo"))
    with closing(chromium.new_context(base_url=watched.url, timezone_id="Asia/Tokyo")) as context:
        page = context.new_page()
        page.goto(sign_in_link(watched))
        page.get_by_role("button").first.click()
        page.goto(LIST)

        expect(page.get_by_role("columnheader", name="Time (JST)")).to_be_visible()
        expect(line(page, id)).to_contain_text(f"{at:%H:%M:%S}")
        page.goto(f"{LIST}?from={at:%Y-%m-%dT%H:%M:%S}")
        expect(line(page, id)).to_be_visible()
        expect(page.get_by_role("link", name=f"From {at:%d %b %Y %H:%M:%S} JST")).to_be_visible()


def test_new_requests_of_the_filter_appear_while_one_watches_and_not_while_it_is_paused(
    page: Page, watched: LiveGateway
) -> None:
    page.goto(f"{LIST}?model=paid%2Flive")
    expect(page.get_by_text("No request matches")).to_be_visible()

    page.get_by_label("Live").check()
    other, first = ask(watched, "rainymodel/auto"), ask(watched, "paid/live")
    expect(line(page, first)).to_be_visible(timeout=15_000)
    second = ask(watched, "paid/live")
    expect(line(page, second)).to_be_visible(timeout=15_000)
    page.get_by_label("Live").uncheck()

    assert page.locator("#lines tr").evaluate_all("rows => rows.map(row => row.id)") == [
        f"row-{second}",
        f"row-{first}",
    ]
    expect(line(page, other)).to_have_count(0)
    expect(page.get_by_text("Paused.")).to_be_visible()


def test_the_file_of_a_filter_comes_from_a_live_gateway_and_is_in_the_audit(watched: LiveGateway) -> None:
    name = f"paid/{uuid.uuid4().hex}"
    ids = [ask(watched, name) for _ in range(3)]

    with closing(Person(watched.url, sign_in_link(watched))) as person:
        answer = person.get(f"{LIST}export/?form=csv&model={name}")

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert [row["id"] for row in csv.DictReader(io.StringIO(answer.text))] == ids[::-1]
    with psycopg.connect(watched.dsn) as connection:
        deeds = connection.execute("SELECT action, actor FROM accounts_auditentry ORDER BY id DESC LIMIT 2")
        assert deeds.fetchall() == [("export", "operator"), ("export began", "operator")]
