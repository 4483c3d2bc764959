"""An edit in the admin's own form changes where the next request goes, in every worker, within a second."""

import time
from collections.abc import Iterator

import httpx
import psycopg
import pytest

from gateway.tests.live import LiveGateway, live_gateway, sign_in_link
from rainymodel_site.tests.browser import Person

HELLO = {"model": "rainymodel/auto", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture(scope="module")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    with live_gateway("uvicorn", tmp_path_factory.mktemp("two"), WEB_WORKERS="2") as gateway:
        yield gateway


@pytest.fixture
def operator(two_workers: LiveGateway) -> Iterator[Person]:
    person = Person(two_workers.url, sign_in_link(two_workers))
    yield person
    person.close()


def workers(gateway: LiveGateway) -> dict[str, int]:
    """Worker id → the revision it serves, asked on fresh connections until both have answered."""
    seen: dict[str, int] = {}
    with httpx.Client(base_url=gateway.url, headers={"Connection": "close"}) as client:
        for _ in range(500):
            ready = client.get("/ready").json()
            seen[ready["worker"]] = ready["revision"]
            if len(seen) == 2:
                break
    return seen


def alias_page(gateway: LiveGateway, name: str) -> str:
    with psycopg.connect(gateway.dsn) as connection:
        row = connection.execute("SELECT id FROM routing_alias WHERE name = %s", [name]).fetchone()
    assert row is not None
    return f"/admin/routing/alias/{row[0]}/change/"


def ask(gateway: LiveGateway) -> str:
    answer = httpx.post(f"{gateway.url}/v1/chat/completions", json=HELLO, headers=gateway.headers())
    return answer.headers["x-rainymodel-upstream"]


def test_moving_a_route_moves_the_next_requests_of_both_workers_within_a_second(
    two_workers: LiveGateway, operator: Person
):
    assert {ask(two_workers) for _ in range(20)} == {"sun"}
    before = workers(two_workers)
    assert len(before) == 2
    page = alias_page(two_workers, "rainymodel/auto")
    form = operator.form(page)
    first = next(name for name in form if name.startswith("routes-0") and name.endswith("enabled"))

    operator.submit(page, {first: None})  # switch the first route off: the policy free loses its only answer
    answer = publish_for_a_reason(operator)
    saved = time.monotonic()

    assert "Published as revision 2" in answer.text
    while set(workers(two_workers).values()) != {2}:
        assert time.monotonic() - saved < 1.5, "a worker did not take the revision over"
    assert {ask(two_workers) for _ in range(20)} == {"rain"}


def publish_for_a_reason(operator: Person) -> httpx.Response:
    """Publish the draft although it takes the last deployment from some requests."""
    return operator.submit("/admin/console/draft/", {"do": "publish", "reason": "for a test"})


def switch_first_route(gateway: LiveGateway, operator: Person, *, on: bool) -> None:
    """Bring the alias's first route into that state, and wait until both workers serve it."""
    page = alias_page(gateway, "rainymodel/auto")
    operator.submit(page, {"routes-0-enabled": "on" if on else None})
    if not on:
        assert "Published as revision" in publish_for_a_reason(operator).text
    with psycopg.connect(gateway.dsn) as connection:
        newest = connection.execute("SELECT max(number) FROM routing_cataloguerevision").fetchone()
    until = time.monotonic() + 10
    while set(workers(gateway).values()) != set(newest or ()):
        assert time.monotonic() < until, "a worker did not take the revision over"


@pytest.mark.fault("I11")
def test_a_stream_keeps_the_catalogue_that_it_began_with(two_workers: LiveGateway, operator: Person):
    switch_first_route(two_workers, operator, on=True)
    two_workers.upstreams["sun"].play("sunny", "slow:first=0,chunk=0.2,chunks=40")
    body, chat = {**HELLO, "stream": True}, f"{two_workers.url}/v1/chat/completions"
    with httpx.stream("POST", chat, json=body, headers=two_workers.headers(), timeout=60) as stream:
        pieces = stream.iter_bytes()
        whole = next(pieces)
        switch_first_route(two_workers, operator, on=False)
        assert {ask(two_workers) for _ in range(10)} == {"rain"}
        whole += b"".join(pieces)

    assert stream.headers["x-rainymodel-upstream"] == "sun"
    assert whole.endswith(b"data: [DONE]\n\n")


@pytest.mark.fault("I13")
def test_a_revision_that_nobody_was_notified_of_is_found(two_workers: LiveGateway, operator: Person):
    with psycopg.connect(two_workers.dsn, autocommit=True) as connection:
        connection.execute("ALTER TABLE routing_cataloguerevision DISABLE TRIGGER USER")
    try:
        switch_first_route(two_workers, operator, on=True)
        switch_first_route(two_workers, operator, on=False)
    finally:
        with psycopg.connect(two_workers.dsn, autocommit=True) as connection:
            connection.execute("ALTER TABLE routing_cataloguerevision ENABLE TRIGGER USER")

    assert {ask(two_workers) for _ in range(10)} == {"rain"}


def test_an_invalid_edit_is_kept_as_a_draft_and_nothing_that_serves_changes(
    two_workers: LiveGateway, operator: Person
):
    page = alias_page(two_workers, "rainymodel/paid")
    form = operator.form(page)
    first = next(name for name in form if name.startswith("routes-0") and name.endswith("enabled"))
    revisions = set(workers(two_workers).values())

    answer = operator.submit(page, {first: None})

    assert "not published" in answer.text.lower()
    assert "rainymodel/paid" in answer.text
    assert set(workers(two_workers).values()) == revisions
    assert "Published" in operator.submit(page, {first: "on"}).text or revisions == set(
        workers(two_workers).values()
    )


def test_each_worker_registers_with_its_revision_and_a_heartbeat(two_workers: LiveGateway):
    time.sleep(0.1)
    with psycopg.connect(two_workers.dsn) as connection:
        rows = connection.execute("SELECT revision, ready, pid FROM gateway_worker").fetchall()

    assert len(rows) == 2
    assert len({pid for _, _, pid in rows}) == 2
    assert all(ready and revision >= 1 for revision, ready, _ in rows)
