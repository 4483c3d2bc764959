"""What a gateway keeps of the requests of a key whose owner consented, and what nobody else finds there."""

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest

from gateway.tests.live import LiveGateway, live_gateway, sign_in_link
from rainymodel_site.tests.browser import Person

TOOLS = [{"type": "function", "function": {"name": "look_up_weather", "parameters": {"type": "object"}}}]
WEATHER = [{"role": "user", "content": "please look_up_weather for me"}]
MESSAGES = [{"role": "user", "content": "is it raining?"}]
ASKED = {
    "chat": ("chat/completions", {"messages": MESSAGES}, "is it raining?"),
    "tool-call": ("chat/completions", {"messages": WEATHER, "tools": TOOLS}, "tool call look_up_weather"),
    "completions": ("completions", {"prompt": "is it raining?"}, "is it raining?"),
    "responses": ("responses", {"input": "is it raining?"}, "is it raining?"),
    "messages": ("messages", {"messages": MESSAGES, "max_tokens": 50}, "is it raining?"),
}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway("uvicorn", tmp_path_factory.mktemp("prompts")) as running:
        yield running


@pytest.fixture(scope="module")
def operator(gateway: LiveGateway) -> Iterator[Person]:
    person = Person(gateway.url, sign_in_link(gateway))
    yield person
    person.close()


def ask(gateway: LiveGateway, path: str, key: str = "consenting", **body: Any) -> str:
    """The id of a request that was answered."""
    body = {"model": "fake/ok", **body}
    answer = httpx.post(f"{gateway.url}/v1/{path}", json=body, headers=gateway.headers(key), timeout=20)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-request-id"]


def stored(gateway: LiveGateway, id: str) -> list[tuple[Any, ...]]:
    """The request's stored prompts, once there are any."""
    until = time.monotonic() + 10
    with psycopg.connect(gateway.dsn, autocommit=True) as connection:
        while True:
            found = connection.execute(
                "SELECT key_id::text, user_id, sealed FROM gateway_storedprompt WHERE id = %s", [id]
            ).fetchall()
            if found or time.monotonic() > until:
                return found
            time.sleep(0.05)


def blocks(page: str) -> dict[str, str]:
    """What each side said, by the heading above it."""
    return dict(re.findall(r"<h3>([^<]*)</h3><pre[^>]*>([^<]*)</pre>", page))


@pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
@pytest.mark.parametrize("dialect", sorted(ASKED))
def test_prompt_and_answer_of_every_dialect_are_kept_sealed_and_shown(
    gateway: LiveGateway, operator: Person, dialect: str, stream: bool
):
    path, body, expected = ASKED[dialect]
    id = ask(gateway, path, stream=stream, **body)
    ((key_id, user_id, sealed),) = stored(gateway, id)
    row = gateway.row(id)
    page = operator.get(f"/admin/gateway/requestlog/{id}/prompt/").text

    assert (key_id, user_id) == (str(row["key_id"]), row["user_id"])
    assert b"raining" not in sealed and b"look_up_weather" not in sealed
    assert expected in (blocks(page)["text"] if "tool" not in dialect else page)
    assert blocks(page)["user"] == (MESSAGES if "tool" not in dialect else WEATHER)[0]["content"]


def test_of_a_key_without_consent_nothing_is_kept(gateway: LiveGateway, operator: Person):
    silent = ask(gateway, "chat/completions", key="plain", messages=MESSAGES)
    spoken = ask(gateway, "chat/completions", messages=MESSAGES)
    assert stored(gateway, spoken)

    with psycopg.connect(gateway.dsn) as connection:
        known = connection.execute("SELECT id::text FROM gateway_storedprompt").fetchall()
    assert (silent,) not in known
    assert (
        "Nothing is kept of this request" in operator.get(f"/admin/gateway/requestlog/{silent}/prompt/").text
    )


def test_the_page_of_a_request_leads_to_what_was_kept_of_it(gateway: LiveGateway, operator: Person):
    kept = ask(gateway, "chat/completions", messages=MESSAGES)
    silent = ask(gateway, "chat/completions", key="plain", messages=MESSAGES)
    assert stored(gateway, kept) and gateway.row(kept) and gateway.row(silent)

    link = f'href="/admin/gateway/requestlog/{kept}/prompt/"'
    assert link in operator.get(f"/admin/gateway/requestlog/{kept}/change/").text
    assert "/prompt/" not in operator.get(f"/admin/gateway/requestlog/{silent}/change/").text


def test_a_long_prompt_and_a_long_answer_are_cut_and_said_to_be(gateway: LiveGateway, operator: Person):
    long = [{"role": "user", "content": "drop " * 80_000}]
    id = ask(gateway, "chat/completions", messages=long)
    ((_, _, sealed),) = stored(gateway, id)
    page = operator.get(f"/admin/gateway/requestlog/{id}/prompt/").text

    assert "The request as JSON, its first 256 KiB" in page
    assert "the answer was longer than 256 KiB" in page
    assert page.count("drop ") < 110_000
    assert len(sealed) < 512 * 1024
