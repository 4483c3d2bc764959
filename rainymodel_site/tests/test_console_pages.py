"""The console's pages at a running gateway: discover, test and price pages, used as an operator uses them."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from gateway.tests.live import LiveGateway, live_gateway, sign_in_link
from rainymodel_site.tests.browser import FormReader, Person


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway("uvicorn", tmp_path_factory.mktemp("console")) as running:
        yield running


@pytest.fixture
def operator(gateway: LiveGateway) -> Iterator[Person]:
    person = Person(gateway.url, sign_in_link(gateway))
    yield person
    person.close()


def key_of(gateway: LiveGateway, table: str, slug: str) -> int:
    with psycopg.connect(gateway.dsn) as connection:
        row = connection.execute(f"SELECT id FROM routing_{table} WHERE slug = %s", [slug]).fetchone()
    assert row is not None
    return int(row[0])


def fields_in(text: str) -> dict[str, Any]:
    reader = FormReader()
    reader.feed(text)
    return reader.fields


def post(person: Person, path: str, data: dict[str, Any]) -> httpx.Response:
    """What a page's own form sends."""
    return person._client.post(path, data=data, headers={"Referer": str(person._client.base_url)})


def test_a_providers_page_leads_to_its_tools(gateway: LiveGateway, operator: Person):
    key = key_of(gateway, "provider", "sun")

    text = operator.get(f"/admin/routing/provider/{key}/change/").text

    assert "Discover models" in text
    assert "Propose prices" in text
    assert re.search(r">\s*Test\s*<", text)
    assert (
        operator.get(f"/admin/routing/provider/{key}/discover_models").url.path
        == f"/admin/console/discover/{key}/"
    )
    assert "sun/" in operator.get(f"/admin/routing/provider/{key}/test_provider").text


def test_the_page_comes_before_the_provider_has_been_asked(gateway: LiveGateway, operator: Person):
    key = key_of(gateway, "provider", "sun")
    gateway.upstreams["sun"].ledger.reset()

    text = operator.get(f"/admin/console/discover/{key}/").text

    assert f'hx-get="/admin/console/discover/{key}/found/"' in text
    assert "asking sun for its models" in text
    assert gateway.upstreams["sun"].ledger.totals.requests == 0


def test_chosen_models_become_deployments_that_serve(gateway: LiveGateway, operator: Person):
    key = key_of(gateway, "provider", "rain")
    form = fields_in(operator.get(f"/admin/console/discover/{key}/found/").text)

    answer = post(
        operator, f"/admin/console/discover/{key}/", {**form, "model": ["gpt-4o"], "tier": "direct"}
    )

    assert "Added 1 deployment of rain to tier direct." in answer.text
    assert "Published as revision" in answer.text
    assert key_of(gateway, "deployment", "rain/gpt-4o")
    again = operator.get(f"/admin/console/discover/{key}/found/").text
    assert 'value="gpt-4o"' not in again
    assert "1 already here" in again
    assert "is rain/gpt-4o" in again


def test_a_list_of_models_can_be_filtered_by_name(gateway: LiveGateway, operator: Person):
    text = operator.get(f"/admin/console/discover/{key_of(gateway, 'provider', 'rain')}/found/").text

    assert re.search(r'<label class="filter" hidden>Filter <input type="search" data-filter', text)
    assert "data-filter" in operator.get("/static/rainymodel/console.js").text


@pytest.mark.parametrize(
    ("path", "section", "title"),
    [
        ("discover/{sun}/", "Providers", "Models of sun"),
        ("test/?provider=sun", "Providers", "Test"),
        ("test/?deployment=sun/ok", "Deployments", "Test"),
        ("prices/", "Deployments", "Propose prices"),
    ],
    ids=["discover", "test provider", "test deployment", "prices"],
)
def test_each_page_says_where_it_belongs(
    gateway: LiveGateway, operator: Person, path: str, section: str, title: str
):
    text = operator.get(f"/admin/console/{path.format(sun=key_of(gateway, 'provider', 'sun'))}").text

    trail = re.search(r"<h1.*?</h1>", text, re.S)
    assert trail is not None
    assert re.findall(r">\s*([A-Z][\w ]+?)\s*</(?:a|span)", trail.group()) == ["Catalogue", section, title]
    lit = re.findall(r'<a [^>]*href="/admin/routing/(\w+)/"[^>]*class="[^"]*\bactive\b', text)
    assert lit == [section.lower().rstrip("s")]


def test_a_list_that_is_not_ours_adds_nothing(gateway: LiveGateway, operator: Person):
    sun, rain = key_of(gateway, "provider", "sun"), key_of(gateway, "provider", "rain")
    form = fields_in(operator.get(f"/admin/console/discover/{rain}/found/").text)

    answer = post(
        operator, f"/admin/console/discover/{sun}/", {**form, "model": ["gpt-4o-mini"], "tier": "direct"}
    )

    assert "choose again" in answer.text
    assert "Added" not in answer.text


def test_choosing_nothing_adds_nothing_and_says_so(gateway: LiveGateway, operator: Person):
    key = key_of(gateway, "provider", "sun")
    form = fields_in(operator.get(f"/admin/console/discover/{key}/found/").text)

    assert "choose at least one model" in post(operator, f"/admin/console/discover/{key}/", form).text


def test_a_provider_that_is_not_there_is_said_with_what_to_do(gateway: LiveGateway, operator: Person):
    key = key_of(gateway, "provider", "dead")

    text = operator.get(f"/admin/console/discover/{key}/found/").text

    assert "could not be reached" in text
    assert "Ask again" in text
    assert "<form" not in text


def test_the_test_page_asks_through_the_workers_own_wire(gateway: LiveGateway, operator: Person):
    page = operator.get("/admin/console/test/?deployment=sun/ok&deployment=dead/ok").text
    token = re.search(r'"X-CSRFToken": "([^"]+)"', page)
    assert token is not None
    assert page.count('hx-post="/admin/console/test/one/"') == 2
    assert "asking sun" in page
    sent = {"csrfmiddlewaretoken": token.group(1)}

    works = post(operator, "/admin/console/test/one/", {**sent, "deployment": "sun/ok"}).text
    fails = post(operator, "/admin/console/test/one/", {**sent, "deployment": "dead/ok"}).text

    assert re.search(r"sun answered in \d+ ms, \d+ tokens", works)
    assert "dead could not be reached" in fails
    assert "Check the base URL" in fails
    assert "load" not in re.findall(r'hx-trigger="([^"]+)"', works)[0]


def test_nothing_changes_without_a_csrf_token(gateway: LiveGateway, operator: Person):
    key = key_of(gateway, "provider", "sun")

    for path in (f"/admin/console/discover/{key}/", "/admin/console/test/one/", "/admin/console/prices/"):
        assert post(operator, path, {"deployment": "sun/ok"}).status_code == 403


def test_who_is_not_signed_in_sees_nothing(gateway: LiveGateway):
    key = key_of(gateway, "provider", "sun")

    for path in (f"discover/{key}/", f"discover/{key}/found/", "test/", "prices/"):
        answer = httpx.get(f"{gateway.url}/admin/console/{path}")
        assert answer.status_code == 302
        assert "/signin/" in answer.headers["location"] or "/login/" in answer.headers["location"]
