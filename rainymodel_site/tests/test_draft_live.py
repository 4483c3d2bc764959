"""Changing routes at a live gateway of two workers, in a real browser: seen, published, served, rolled back."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from gateway.tests.live import PROJECT, LiveGateway, live_gateway, sign_in_link
from rainymodel_site.tests.running import eventually

CHROMIUM = shutil.which("chromium")  # none: the one that playwright brings
HELLO = {"model": "rainymodel/auto", "messages": [{"role": "user", "content": "hi"}]}
DRAFT = "/admin/console/draft/"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway("uvicorn", tmp_path_factory.mktemp("draft"), WEB_WORKERS="2") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def page(gateway: LiveGateway, chromium: Browser) -> Iterator[Page]:
    """An operator's page; what its scripts complain of fails the test."""
    complaints: list[str] = []
    context = chromium.new_context(base_url=gateway.url)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(sign_in_link(gateway))
    page.get_by_role("button").first.click()
    page.wait_for_load_state()
    yield page
    context.close()
    assert complaints == []


def upstreams_asked(gateway: LiveGateway) -> set[str]:
    """Who answers, over connections that reach both workers."""
    chat = f"{gateway.url}/v1/chat/completions"
    answers = [httpx.post(chat, json=HELLO, headers=gateway.headers()) for _ in range(12)]
    return {answer.headers["x-rainymodel-upstream"] for answer in answers}


def look_up(gateway: LiveGateway, query: str) -> int:
    with psycopg.connect(gateway.dsn) as connection:
        row = connection.execute(query).fetchone()
    assert row is not None
    return int(row[0])


def alias_id(gateway: LiveGateway) -> int:
    return look_up(gateway, "SELECT id FROM routing_alias WHERE name = 'rainymodel/auto'")


def newest(gateway: LiveGateway) -> int:
    return look_up(gateway, "SELECT max(number) FROM routing_cataloguerevision")


def manage(gateway: LiveGateway, *command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=PROJECT, env=gateway.variables, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_an_edit_is_reviewed_published_with_a_reason_served_and_rolled_back(gateway: LiveGateway, page: Page):
    assert upstreams_asked(gateway) == {"sun"}

    page.goto(f"/admin/routing/alias/{alias_id(gateway)}/change/")
    page.locator("[name=routes-0-enabled]").uncheck()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("rainymodel/auto with policy free: chat")).to_be_visible()
    assert upstreams_asked(gateway) == {"sun"}

    page.get_by_role("link", name="Review the draft").click()
    expect(page.locator("li.changed")).to_have_text(re.compile("sun/ok: on → off"))
    expect(page.locator("li.whole")).to_have_count(0)  # the order is the same
    expect(page.locator("td.bad").first).to_have_text("1 → 0")
    page.get_by_label("Note, for the page of the revision").fill("sun is away")
    page.get_by_label("Why may these requests lose their answer?").fill("serviced")
    page.get_by_role("button", name="Publish now").click()
    expect(page.get_by_role("heading", name="Revision 2 serves in all 2 workers")).to_be_visible(
        timeout=5_000
    )
    assert upstreams_asked(gateway) == {"rain"}

    page.goto("/admin/routing/cataloguerevision/1/change/")
    expect(page.locator("li.changed").first).to_have_text(re.compile("sun/ok: on → off"))  # from it to now
    page.get_by_text("Roll back to this revision").first.click()
    page.get_by_role("button", name="Roll back", exact=True).click()
    expect(page.get_by_role("heading", name="Revision 3 serves in all 2 workers")).to_be_visible(
        timeout=5_000
    )
    assert upstreams_asked(gateway) == {"sun"}

    page.goto(f"/admin/routing/alias/{alias_id(gateway)}/history/")
    expect(page.get_by_text("sun is away · Reason: serviced")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("Revision [123]"))).to_have_count(3)


def test_the_command_waits_until_both_workers_serve_the_revision(gateway: LiveGateway):
    before = newest(gateway)
    with psycopg.connect(gateway.dsn) as connection:
        connection.execute(
            "UPDATE routing_alias SET description = 'waited for' WHERE name = 'rainymodel/auto'"
        )

    done = manage(gateway, "publish", "--wait")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"Published as revision {before + 1}."
    assert done.stdout.splitlines()[-1] == "All 2 workers serve it."


def test_a_scheduled_publication_is_carried_out_once_by_the_workers(gateway: LiveGateway, page: Page):
    before = newest(gateway)
    page.goto(DRAFT)
    page.get_by_role("button", name="Hold publishing").click()
    page.goto(f"/admin/routing/alias/{alias_id(gateway)}/change/")
    page.get_by_label("Description").fill("on time")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_role("link", name="Review the draft").click()
    page.get_by_text("Publish later").click()
    page.get_by_label("At (it is").fill(f"{datetime.now(UTC) + timedelta(minutes=2):%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name="Publish at this time").click()
    expect(page.get_by_role("heading", name="It will be published at")).to_be_visible()

    with psycopg.connect(gateway.dsn) as connection:  # its time comes
        connection.execute("UPDATE routing_scheduledpublication SET at = now()")

    assert eventually(lambda: newest(gateway) == before + 1)
    assert (
        look_up(gateway, "SELECT count(*) FROM routing_scheduledpublication WHERE state = 'published'") == 1
    )
    page.goto(f"{DRAFT}?published={before + 1}")
    expect(page.get_by_role("heading", name=f"Revision {before + 1} serves in all 2 workers")).to_be_visible()
    page.get_by_role("button", name="Resume publishing").click()
    assert newest(gateway) == before + 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_pages_fit_a_phone_and_a_desk(gateway: LiveGateway, page: Page, width: int, scheme: str):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    history = f"/admin/routing/alias/{alias_id(gateway)}/history/"
    revision = "/admin/routing/cataloguerevision/2/change/"
    for path in (f"{DRAFT}?published=1", f"{DRAFT}discard/", f"{DRAFT}import/", history, revision):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
