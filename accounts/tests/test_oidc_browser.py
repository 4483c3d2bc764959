"""Signing in with a real browser, at both kinds of provider, as everybody who might."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from accounts.fake_login import FakeLogin, fake_login
from accounts.tests.visitor import ADA, BOTH, CLIENT_ID, DAN, ROSA, VERA
from gateway.tests.live import LiveGateway, live_gateway

CHROMIUM = shutil.which("chromium")  # none: the one that playwright brings


@dataclass(frozen=True)
class House:
    """A gateway and its sign-in provider."""

    gateway: LiveGateway
    provider: FakeLogin


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=BOTH)
def house(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with fake_login(behaviour=request.param, client_id=CLIENT_ID) as provider:
        environment = {
            "OIDC_ISSUER": provider.issuer,
            "OIDC_CLIENT_ID": provider.client_id,
            "OIDC_CLIENT_SECRET": provider.client_secret,
        }
        state = tmp_path_factory.mktemp("browser")
        with live_gateway("uvicorn", state, **environment) as gateway:
            yield House(gateway, provider)


@pytest.fixture
def page(chromium: Browser, house: House) -> Iterator[Page]:
    """A page of a new browser, on the way to the admin; what its console complains of fails the test."""
    complaints: list[str] = []
    context = chromium.new_context(base_url=house.gateway.url)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("/admin/")
    yield page
    context.close()
    house.provider.attack = None
    assert complaints == []


def sign_in(page: Page, house: House, email: str) -> None:
    """Press our button, choose a person; where the provider forgets to send one back, press it again."""
    page.get_by_role("link", name="Continue with 127.0.0.1").click()
    page.get_by_role("button", name=re.compile(f"Sign in as {email}")).click()
    if not house.provider.conforming:
        expect(page.get_by_role("heading", name="Portal")).to_be_visible()
        page.goto(f"{house.gateway.url}/signin/")
        expect(page.get_by_text("it did not send you back?")).to_be_visible()
        page.get_by_role("link", name="Continue with 127.0.0.1").click()


@pytest.mark.parametrize("email", [ADA, DAN], ids=["admin", "developer"])
def test_who_has_work_in_the_admin_ends_there_and_can_leave(page: Page, house: House, email: str):
    sign_in(page, house, email)
    expect(page).to_have_url(f"{house.gateway.url}/admin/")
    expect(page).to_have_title(re.compile("RainyModel"))

    page.goto("/signin/")
    expect(page.get_by_text(email)).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("status")).to_have_text("You are signed out here.")
    page.goto("/admin/")
    expect(page).to_have_url(re.compile("/signin/"))


def test_a_researcher_ends_at_the_own_keys(page: Page, house: House):
    sign_in(page, house, ROSA)
    expect(page).to_have_url(f"{house.gateway.url}/keys/")

    page.goto("/signin/")
    expect(page.get_by_role("heading", name="You are signed in")).to_be_visible()
    expect(page.get_by_text(ROSA)).to_be_visible()


def test_a_viewer_is_told_that_there_is_no_access(page: Page, house: House):
    sign_in(page, house, VERA)
    said = "No access with this role" if house.provider.conforming else "Access denied"

    expect(page.get_by_role("heading", name=said)).to_be_visible()


def test_who_is_signed_in_there_comes_straight_in(page: Page, house: House):
    sign_in(page, house, ADA)
    page.context.clear_cookies(name=re.compile("rainymodel"))
    page.goto("/admin/")
    page.get_by_role("link", name="Continue with 127.0.0.1").click()

    expect(page).to_have_url(f"{house.gateway.url}/admin/")


def test_a_failed_sign_in_can_be_tried_again_from_its_page(page: Page, house: House):
    house.provider.attack = "wrong_signature"
    sign_in(page, house, ADA)
    expect(page.get_by_role("heading", name=re.compile("could not be trusted"))).to_be_visible()
    house.provider.attack = None
    page.get_by_role("link", name="Sign in again").click()

    expect(page).to_have_url(f"{house.gateway.url}/admin/")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_pages_fit_a_phone_and_a_desk(chromium: Browser, house: House, width: int, scheme: Any):
    context = chromium.new_context(
        base_url=house.gateway.url, viewport={"width": width, "height": 800}, color_scheme=scheme
    )
    page = context.new_page()
    for path in ("/signin/", "/auth/callback?code=a&state=b"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()
