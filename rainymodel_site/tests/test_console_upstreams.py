"""The page of upstreams at a gateway of two workers: what each thinks, and orders that reach both."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from gateway.tests.live import TRIALS, LiveGateway, live_gateway, sign_in_link
from rainymodel_site.tests.browser import Person
from rainymodel_site.tests.running import eventually

BOARD, ORDER = "/admin/console/upstreams/", "/admin/console/upstreams/order/"
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
HELLO = {"messages": [{"role": "user", "content": "hi"}]}
QUICK = {"address_class": "private", "connect_limit": 1, "first_content_limit": 2, "idle_limit": 1}


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    state = tmp_path_factory.mktemp("upstreams")
    with live_gateway("uvicorn", state, WEB_WORKERS="2", RAINYMODEL_FREE_PROBES="false") as gateway:
        yield gateway


@pytest.fixture(scope="module")
def operator(two_workers: LiveGateway) -> Iterator[Person]:
    person = Person(two_workers.url, sign_in_link(two_workers))
    yield person
    person.close()


def order(person: Person, what: str, **fields: str) -> httpx.Response:
    """Confirm an order on its own page."""
    time = fields.pop("time", None)
    query = "&".join(f"{name}={value}" for name, value in fields.items())
    return person.submit(f"{ORDER}?what={what}&{query}", {} if time is None else {"time": time})


def asked(gateway: LiveGateway, times: int = 24) -> set[str]:
    """Who answered so many requests, each on a connection of its own, so that both workers are asked."""
    answers = ask(gateway, "rainymodel/auto", times)
    return {answer.headers.get("x-rainymodel-upstream", str(answer.status_code)) for answer in answers}


def ask(gateway: LiveGateway, model: str, times: int) -> list[httpx.Response]:
    """So many requests, each on a connection of its own."""
    with httpx.Client(base_url=gateway.url, headers=gateway.headers(Connection="close")) as client:
        return [client.post("/v1/chat/completions", json={"model": model, **HELLO}) for _ in range(times)]


def states(gateway: LiveGateway, deployment: str = "sun/ok") -> list[str]:
    """What each worker has reported of a deployment."""
    query = "SELECT state FROM gateway_upstreamstate WHERE deployment = %s ORDER BY worker_id"
    with psycopg.connect(gateway.dsn) as connection:
        return [row[0] for row in connection.execute(query, [deployment])]


def board(person: Person, text: str) -> Callable[[], bool]:
    """Whether the board shows a text."""
    return lambda: text in " ".join(re.sub(r"<[^>]+>", "", person.get(BOARD).text).split())


def test_an_open_order_keeps_both_workers_away_until_a_close(two_workers: LiveGateway, operator: Person):
    assert asked(two_workers) == {"sun"}

    answer = order(operator, "open", deployment="sun/ok", time="endless")

    assert "sun/ok is kept away from until somebody closes it" in answer.text
    eventually(lambda: asked(two_workers) == {"rain"}, within=3)
    eventually(lambda: states(two_workers) == ["open", "open"])
    eventually(board(operator, "Open every worker: no requests until an operator closes it"))
    assert board(operator, "until somebody closes it")()

    order(operator, "close", deployment="sun/ok")

    eventually(lambda: asked(two_workers) == {"sun"}, within=3)
    eventually(lambda: states(two_workers) == ["closed", "closed"])


def test_a_held_provider_is_not_asked_by_either_worker_until_it_is_released(
    two_workers: LiveGateway, operator: Person
):
    order(operator, "hold", provider="sun", time="900")

    eventually(lambda: asked(two_workers) == {"rain"}, within=3)
    eventually(board(operator, "Held every worker: no requests for 15 minutes"))

    order(operator, "release", provider="sun")

    eventually(lambda: asked(two_workers) == {"sun"}, within=3)


def test_an_order_is_audited_with_who_and_what(two_workers: LiveGateway, operator: Person):
    order(operator, "hold", provider="rain", time="3600")
    order(operator, "release", provider="rain")

    query = (
        "SELECT actor, action, subject FROM accounts_auditentry WHERE subject = %s ORDER BY id DESC LIMIT 2"
    )
    with psycopg.connect(two_workers.dsn) as connection:
        rows = connection.execute(query, ["provider rain"]).fetchall()
        orders = connection.execute(
            "SELECT actor, what FROM gateway_upstreamorder WHERE provider = 'rain' ORDER BY id DESC LIMIT 2"
        ).fetchall()
    assert [row[1] for row in rows] == ["ordered: release", "ordered: hold"]
    assert orders == [(rows[0][0], "release"), (rows[1][0], "hold")]


def test_orders_are_never_changed_or_removed(two_workers: LiveGateway, operator: Person):
    order(operator, "close", deployment="sun/ok")

    with (
        psycopg.connect(two_workers.dsn) as connection,
        pytest.raises(psycopg.errors.RaiseException, match="never changed"),
    ):
        connection.execute("DELETE FROM gateway_upstreamorder")


def test_what_requests_found_out_is_on_the_board(two_workers: LiveGateway, operator: Person):
    ask(two_workers, "brittle", 12)

    eventually(lambda: "open" in states(two_workers, "brittle/ok"))
    eventually(board(operator, "Last failure: could not be reached"))
    assert board(operator, "So far")()


@pytest.mark.parametrize(
    "query",
    ["what=open&deployment=nobody", "what=hold&provider=nobody", "what=smash&provider=sun", ""],
    ids=["deployment", "provider", "deed", "nothing"],
)
def test_an_order_about_nothing_leads_back_with_a_reason(operator: Person, query: str):
    answer = operator.get(f"{ORDER}?{query}")

    assert answer.url.path == BOARD
    assert "has no such deployment or provider" in answer.text


def test_an_order_without_a_time_is_not_given(two_workers: LiveGateway, operator: Person):
    answer = order(operator, "open", deployment="sun/ok", time="forever")

    assert "Nothing was ordered: choose for how long." in answer.text
    assert asked(two_workers, 4) == {"sun"}


def test_htmx_gets_the_board_alone(operator: Person):
    answer = operator._client.get(BOARD, headers={"HX-Request": "true"})

    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert "In trouble" in answer.text


def page_of(gateway: LiveGateway, person: Person, kind: str, slug: str) -> str:
    """The text of a provider's or a deployment's own page."""
    query = f"SELECT id FROM routing_{kind} WHERE slug = %s"
    with psycopg.connect(gateway.dsn) as connection:
        (number,) = connection.execute(query, [slug]).fetchone() or (0,)
    text = person.get(f"/admin/routing/{kind}/{number}/change/").text
    return " ".join(re.sub(r"<[^>]+>", "", text).split())


@pytest.mark.fault("U15", "U16", "U18")
@pytest.mark.parametrize(
    ("trial", "fields", "failure", "advice"),
    [
        ("status:code=401", {}, "it refused our credential (401)", "Check the provider’s credential"),
        ("status:code=404", {}, "it did not know the model", "the upstream model’s name"),
        ("status:code=402", {}, "it had no quota left (402)", "Add credits at the upstream"),
        (
            "tools_unsupported",
            {"tools": TOOLS},
            "it could not do what was asked (400)",
            "Take the capability away",
        ),
    ],
)
def test_what_needs_an_operator_is_told_on_the_rows_own_pages(
    two_workers: LiveGateway, operator: Person, trial: str, fields: dict[str, Any], failure: str, advice: str
):
    with httpx.Client(base_url=two_workers.url, headers=two_workers.headers()) as client:
        body = {"model": f"json/{trial}", **HELLO, **fields}
        assert client.post("/v1/chat/completions", json=body).headers["x-rainymodel-upstream"] == "rain"
    slug = f"trial-{TRIALS.index(trial)}"

    for kind in ("deployment", "provider"):
        eventually(lambda: failure in page_of(two_workers, operator, kind, slug))  # noqa: B023
        assert advice in page_of(two_workers, operator, kind, slug)


def test_the_page_of_what_works_gives_no_advice(two_workers: LiveGateway, operator: Person):
    page = page_of(two_workers, operator, "provider", "rain")

    assert "rain" in page
    assert "All upstreams" not in page
