"""The test page at a running gateway: what it says of a try, and what the worker learns from it."""

import re
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from gateway.tests.live import LiveGateway, live_gateway, sign_in_link
from rainymodel_site.tests.browser import Person


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway("uvicorn", tmp_path_factory.mktemp("trial")) as running:
        yield running


@pytest.fixture(scope="module")
def operator(gateway: LiveGateway) -> Iterator[Person]:
    person = Person(gateway.url, sign_in_link(gateway))
    yield person
    person.close()


def test_a_test_that_works_ends_the_hold_of_the_worker(gateway: LiveGateway, operator: Person):
    sun = gateway.upstreams["sun"]
    assert (chat(gateway, "lone/unauthorized"), chat(gateway, "lone/unauthorized")) == (502, 503)
    sun.play("unauthorized", "ok")
    assert chat(gateway, "lone/unauthorized") == 503
    (slug,) = slugs_of(gateway, "unauthorized")

    assert "Works" in tried(operator, slug)
    assert chat(gateway, "lone/unauthorized") == 200
    sun.play("unauthorized", None)


def test_what_could_not_be_tried_is_not_called_a_failure(gateway: LiveGateway, operator: Person):
    text = tried(operator, "sun/any")

    assert "Not tested" in text
    assert "its model name holds a *" in text
    assert "Failed" not in text
    assert 'class="bad"' not in text and 'class=""' in text


def chat(gateway: LiveGateway, model: str) -> int:
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    answer = httpx.post(
        f"{gateway.url}/v1/chat/completions", json=body, headers=gateway.headers(), timeout=20
    )
    return answer.status_code


def slugs_of(gateway: LiveGateway, model: str) -> list[str]:
    """The deployments that serve the model."""
    query = "SELECT slug FROM routing_deployment WHERE model = %s"
    with psycopg.connect(gateway.dsn) as connection:
        return [slug for (slug,) in connection.execute(query, [model])]


def tried(person: Person, slug: str) -> str:
    """The line of the test page for one deployment."""
    page = person.get(f"/admin/console/test/?deployment={slug}").text
    token = re.search(r'"X-CSRFToken": "([^"]+)"', page)
    assert token is not None
    form = {"csrfmiddlewaretoken": token.group(1), "deployment": slug}
    referer = {"Referer": str(person._client.base_url)}
    return person._client.post("/admin/console/test/one/", data=form, headers=referer).text
