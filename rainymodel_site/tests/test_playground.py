"""The playground: a browser sees the answer come and the way it took; it asks under a key of one's own."""

import re
import shutil
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from gateway.tests.live import LiveGateway, live_gateway, sign_in_link
from rainymodel_site.tests.browser import Person

CHROMIUM = shutil.which("chromium")  # none: the one that playwright brings
TOOLS = '[{"type": "function", "function": {"name": "look_up_weather", "parameters": {"type": "object"}}}]'


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """One whose operator owns three keys: all may, few may, and one that is shut."""
    with live_gateway("uvicorn", tmp_path_factory.mktemp("playground")) as running:
        Person(running.url, sign_in_link(running)).close()  # makes the operator
        with psycopg.connect(running.dsn, autocommit=True) as connection:
            connection.execute(OWN_KEYS)
        yield running


# The operator takes over keys that the gateway for tests has made.
OWN_KEYS = """
UPDATE accounts_apikey SET owner_id = (SELECT id FROM accounts_user WHERE role = 'admin' ORDER BY id LIMIT 1)
WHERE label IN ('plain', 'two a minute', 'chosen aliases', 'free only')
"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def session(chromium: Browser, gateway: LiveGateway) -> Any:
    """What a browser keeps of the operator who signed in."""
    context = chromium.new_context(base_url=gateway.url)
    page = context.new_page()
    page.goto(sign_in_link(gateway))
    page.get_by_role("button", name="Sign in as").click()
    page.goto("/playground/")
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def page(chromium: Browser, gateway: LiveGateway, session: Any) -> Iterator[Page]:
    """The playground in a browser; what its console complains of fails the test."""
    complaints: list[str] = []
    context = chromium.new_context(base_url=gateway.url, storage_state=session)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/playground/")
    yield page
    context.close()
    assert complaints == []


@pytest.fixture
def plain(chromium: Browser, gateway: LiveGateway, session: Any) -> Iterator[Page]:
    """The same without scripts."""
    context = chromium.new_context(base_url=gateway.url, storage_state=session, java_script_enabled=False)
    page = context.new_page()
    page.goto("/playground/")
    yield page
    context.close()


def fill(page: Page, model: str, text: str = "is it raining?", key: str = "plain") -> None:
    """Choose a key and a model, and write."""
    chosen = page.get_by_label("API key").locator("option", has_text=f"{key} (").get_attribute("value")
    page.get_by_label("API key").select_option(chosen)
    page.get_by_label("Model", exact=True).fill(model)
    page.get_by_label("Your text").fill(text)


def ask(page: Page) -> None:
    page.get_by_role("button", name="Ask").click()


def fact(page: Page, name: str) -> str:
    """What a panel says of the way."""
    line = page.locator(".answer .facts div", has=page.locator(f"dt:text-is('{name}')"))
    return line.locator("dd").first.inner_text()


def test_the_answer_is_shown_while_it_comes_with_the_way_it_took(page: Page, gateway: LiveGateway):
    fill(page, "pair/slow:chunk=0.1,chunks=25")
    ask(page)

    expect(page.locator(".answer .told")).to_have_text("Answering…")
    expect(page.locator(".answer .text")).not_to_be_empty()
    early = page.locator(".answer .text").inner_text()
    expect(page.locator(".answer .told")).to_have_text("Answered.", timeout=20_000)
    assert len(page.locator(".answer .text").inner_text()) > len(early)
    assert (fact(page, "Provider"), fact(page, "Tier"), fact(page, "Policy")) == ("sun", "free", "auto")
    assert (fact(page, "Attempts"), fact(page, "Catalogue revision")) == ("1", "1")
    assert fact(page, "Cost") == "$0"
    id = page.locator(".answer .sub code").inner_text()
    row = gateway.row(id)
    assert (row["key_label"], row["endpoint"], row["stream"]) == ("plain", "/playground/run", True)
    page.locator(".answer .sub a").click()
    expect(page.locator("article.request")).to_contain_text(id)


def test_stopping_ends_the_request_at_the_gateway_too(page: Page, gateway: LiveGateway):
    fill(page, "fake/slow:chunk=0.2,chunks=500")
    ask(page)
    expect(page.locator(".answer .text")).not_to_be_empty()
    page.get_by_role("button", name="Stop").click()

    expect(page.locator(".answer .told")).to_have_text("Stopped.")
    assert gateway.row(page.locator(".answer .sub code").inner_text())["state"] == "cancelled"


def test_two_models_are_asked_side_by_side_each_with_its_own_way(page: Page):
    fill(page, "fake/ok")
    page.get_by_text("Compare with another").click()
    page.get_by_label("Compare with model").fill("rainymodel/paid")
    ask(page)

    expect(page.locator(".answer .told")).to_have_text(["Answered.", "Answered."])
    expect(page.locator(".answer h2")).to_have_text(["fake/ok", "rainymodel/paid"])
    providers = page.locator(".answer .facts div", has=page.locator("dt:text-is('Provider')")).locator("dd")
    expect(providers).to_have_text(["sun", "rain"])


def test_offered_tools_are_called_and_broken_ones_are_pointed_at(page: Page):
    fill(page, "fake/ok", "please look_up_weather for me")
    page.get_by_text("System text, tools").click()
    page.get_by_label("Tools").fill(TOOLS[:-1])
    ask(page)
    expect(page.locator(".field", has=page.get_by_label("Tools")).locator(".errorlist")).to_contain_text(
        "not valid JSON"
    )

    page.get_by_label("Tools").fill(TOOLS)
    page.get_by_label("Show the answer as it comes").uncheck()
    ask(page)
    expect(page.locator(".answer .call")).to_contain_text("look_up_weather(")


def test_what_the_key_may_not_do_is_refused_as_by_the_api(page: Page):
    fill(page, "rainymodel/auto", key="chosen aliases")
    ask(page)
    expect(page.locator(".answer .told")).to_contain_text("403: ")

    for told in ("Answered.", "Answered.", "429: "):
        fill(page, "fake/ok", key="two a minute")
        ask(page)
        expect(page.locator(".answer .told")).to_contain_text(told)


def test_without_scripts_the_page_shows_whole_answers(plain: Page):
    fill(plain, "fake/ok", "<b>is it raining?</b>")
    plain.get_by_text("Compare with another").click()
    plain.get_by_label("Compare with model").fill("lone/status:code=400,text=no")
    ask(plain)

    expect(plain.locator(".answer .text")).to_contain_text("<b>is it raining?</b>")
    expect(plain.locator(".answer .told.bad")).to_contain_text("404: ")
    assert fact(plain, "Provider") == "sun"
    assert plain.get_by_label("Your text").input_value() == "<b>is it raining?</b>"


@pytest.fixture
def visitor(gateway: LiveGateway, session: Any) -> Iterator[httpx.Client]:
    """The operator's session in the hands of a program, with the page's form token."""
    cookies = {cookie["name"]: cookie["value"] for cookie in session["cookies"]}
    with httpx.Client(base_url=gateway.url, cookies=cookies, timeout=20) as client:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', client.get("/playground/").text)
        assert token is not None
        client.headers.update({"X-CSRFToken": token[1], "Accept": "text/event-stream", "Origin": gateway.url})
        yield client


def sent(client: httpx.Client, key: str, **headers: str) -> httpx.Response:
    form = {"key": key, "model": "fake/ok", "text": "is it raining?"}
    return client.post("/playground/run", data=form, headers=headers)


def key_id(gateway: LiveGateway, label: str) -> str:
    with psycopg.connect(gateway.dsn) as connection:
        (found,) = connection.execute(
            "SELECT id::text FROM accounts_apikey WHERE label = %s", [label]
        ).fetchone()
    return found


def test_another_site_or_nobody_gets_nothing(gateway: LiveGateway, visitor: httpx.Client):
    own = key_id(gateway, "plain")
    good = sent(visitor, own)
    assert good.status_code == 200 and good.json()["choices"]
    assert not [name for name in good.headers if name.startswith("access-control-")]

    assert sent(visitor, own, Origin="https://elsewhere.example").status_code == 403
    assert sent(visitor, own, **{"X-CSRFToken": "x" * 64}).status_code == 403
    visitor.cookies.delete("rainymodel_session")
    assert sent(visitor, own).status_code == 302


@pytest.mark.parametrize("path", ["/playground/run", "/admin/login/", "/api/keys/"])
def test_a_body_that_is_no_form_of_ours_is_not_read_to_its_end(gateway: LiveGateway, path: str):
    answer = httpx.post(f"{gateway.url}{path}", content=(b"x" * 65_536 for _ in range(128)), timeout=30)
    assert (answer.status_code, "at most 4 MB" in answer.text) == (413, True)
    assert answer.headers["x-request-id"]
    assert ("error" in answer.json()) if path.startswith("/api/") else answer.text.startswith("A form")


def test_tools_that_json_cannot_carry_are_pointed_at(gateway: LiveGateway, visitor: httpx.Client):
    form = {
        "key": key_id(gateway, "plain"),
        "model": "fake/ok",
        "text": "hi",
        "tools": '[{"n": 1180591620717411303424}]',
    }
    answer = visitor.post("/playground/run", data=form)
    assert answer.json()["errors"]["tools"] == ["This holds a number or a text that JSON cannot carry."]


def test_the_keys_of_others_and_shut_keys_are_refused(gateway: LiveGateway, visitor: httpx.Client):
    assert "key" in sent(visitor, key_id(gateway, "dollar")).json()["errors"]

    own = key_id(gateway, "free only")
    assert sent(visitor, own).status_code == 200
    with psycopg.connect(gateway.dsn, autocommit=True) as connection:
        connection.execute("UPDATE accounts_apikey SET revoked_at = now() WHERE id = %s", [own])
    assert "key" in sent(visitor, own).json()["errors"]
