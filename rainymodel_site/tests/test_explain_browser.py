"""Explain and What if in a real browser, by keyboard alone; the replay runs in a process of its own."""

import re
import shutil
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from gateway.tests.live import LiveGateway, live_gateway, sign_in_link

CHROMIUM = shutil.which("chromium")  # none: the one that playwright brings


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway("uvicorn", tmp_path_factory.mktemp("explain")) as running:
        body = {"model": "rainymodel/auto", "messages": [{"role": "user", "content": "hi"}]}
        for _ in range(3):
            answer = httpx.post(
                f"{running.url}/v1/chat/completions", json=body, headers=running.headers(), timeout=30
            )
            assert answer.headers["x-rainymodel-upstream"] == "sun"
        yield running


@pytest.fixture(scope="module")
def page(gateway: LiveGateway) -> Iterator[Page]:
    """Signed in as an operator; what the browser's console complains of fails the tests."""
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(base_url=gateway.url).new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(sign_in_link(gateway))
        page.get_by_role("button").first.click()
        yield page
        browser.close()
    assert complaints == []


def tab_to(page: Page, label: str) -> None:
    """Press Tab until the field with this label has the focus."""
    field = page.get_by_label(label, exact=True)
    for _ in range(60):
        if field.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{label} cannot be reached by Tab")


def test_a_question_is_asked_and_answered_by_keyboard(page: Page):
    page.goto("/admin/console/explain/")
    expect(page.get_by_text("Ask about a model")).to_be_visible()

    page.get_by_label("Model", exact=True).focus()
    page.keyboard.type("rainymodel/auto")
    tab_to(page, "Prompt, tokens")
    page.keyboard.type("1200")
    tab_to(page, "tools")
    page.keyboard.press("Space")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Tried in this order")).to_be_visible()
    expect(page).to_have_url(re.compile(r"model=rainymodel%2Fauto.*input_tokens=1200.*needs=tools"))
    expect(page.get_by_role("rowheader", name="sun/ok")).to_be_visible()
    expect(page.get_by_label("tools", exact=True)).to_be_checked()


def test_a_replay_without_a_provider_runs_beside_the_workers_and_shows_its_result(page: Page):
    page.goto("/admin/console/what-if/")

    page.locator("select[name=days]").focus()
    tab_to(page, "sun")
    page.keyboard.press("Space")
    page.get_by_role("button", name="Replay").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Between providers")).to_be_visible(timeout=60_000)
    expect(page.locator(".figures div").first).to_have_text(re.compile(r"Requests\s*3"))
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="sun", exact=True))
    expect(row).to_contain_text("rain")
