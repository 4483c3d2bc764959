"""Clients that leave: in their upload, before the first byte, in the middle, by halves, behind a pile of requests."""

import socket
import time

import pytest

from gateway.tests.live import LiveGateway
from gateway.tests.raw_client import ask, connected, ends, head, read_until, request, reset
from gateway.upstream.scripted.ledger import Entry

PROMISE = 0.25  # seconds until the upstream's connection is closed
LEAVINGS = 50
SHAPES = pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])


def begun(gateway: LiveGateway, scenario: str, upstream: str = "sun") -> int:
    return len(gateway.upstreams[upstream].ledger.of(scenario))


def arrived(gateway: LiveGateway, scenario: str, number: int, upstream: str = "sun") -> Entry:
    """The upstream's entry of this number, once the request is there."""
    ledger = gateway.upstreams[upstream].ledger
    assert ledger.wait_until(lambda ledger: len(ledger.of(scenario)) > number, timeout=10)
    return ledger.of(scenario)[number]


def seconds_until_gone(gateway: LiveGateway, entry: Entry, left: float) -> float:
    """How long after `left` the upstream saw its connection closed."""
    assert gateway.upstreams["sun"].ledger.wait_until(
        lambda _: entry.client_gone_after is not None, timeout=5
    )
    return entry.time + (entry.client_gone_after or 0.0) - left


def is_free_again(gateway: LiveGateway, key: str, **fields: object) -> bool:
    """Whether a key whose limits hold one request at a time has room again, within two seconds."""
    until = time.monotonic() + 2
    while (
        status := ask(gateway, request(gateway.keys[key], model="fake/ok", **fields), wait=0).status
    ) == 429:
        if time.monotonic() > until:
            break
        time.sleep(0.02)
    return status == 200


@pytest.mark.fault("C08", "C09")
@pytest.mark.parametrize(
    ("scenario", "stream"),
    [("silence", False), ("silence", True), ("endless:chunk=0.01", True)],
    ids=["json", "sse", "mid-stream"],
)
def test_99_of_100_leavings_close_the_upstream_within_a_quarter_of_a_second(
    gateway: LiveGateway, scenario: str, stream: bool
):
    first, rows = begun(gateway, scenario), len(cancelled_rows(gateway, scenario, 0))
    taken = []
    for number in range(first, first + LEAVINGS):
        with connected(gateway) as connection:
            connection.sendall(request(gateway.keys["plain"], model=f"fake/{scenario}", stream=stream))
            entry = arrived(gateway, scenario, number)
            if "endless" in scenario:
                read_until(connection, b"data: ")
        taken.append(seconds_until_gone(gateway, entry, time.monotonic()))

    taken.sort()
    assert taken[-2] <= PROMISE
    found = cancelled_rows(gateway, scenario, rows + LEAVINGS)
    assert len(found) == rows + LEAVINGS
    assert {(row["status"], row["attempts"][0]["word"]) for row in found} == {(499, "cancelled")}


def cancelled_rows(gateway: LiveGateway, scenario: str, count: int) -> list[dict[str, object]]:
    condition = "requested_model = %s AND state = 'cancelled' AND key_label = 'plain'"
    return gateway.rows_where(condition, f"fake/{scenario}", count=count)


@pytest.mark.fault("C08")
@pytest.mark.parametrize("stream", [True, False], ids=["sse", "json"])
def test_who_leaves_before_the_first_byte_gives_back_the_slot_and_pays_for_what_may_be_billed(
    gateway: LiveGateway, stream: bool
):
    for key in ("one_at_once", "thousand_tokens", "dollar"):
        number = begun(gateway, "silence", "rain")
        with connected(gateway) as connection:
            sent = request(gateway.keys[key], model="paid/silence", stream=stream, max_tokens=900)
            connection.sendall(sent)
            arrived(gateway, "silence", number, "rain")
        assert is_free_again(gateway, "one_at_once")

    condition = "requested_model = 'paid/silence' AND stream = %s AND key_label IN ('one at once', 'dollar')"
    rows = gateway.rows_where(condition, str(stream), count=2)
    assert [(row["state"], row["status"], row["estimated"]) for row in rows] == [("cancelled", 499, True)] * 2
    # A stream ends with its connection: its input is billed. An answer in one piece may be finished unheard.
    worst = 900 * 2 / 1_000_000
    assert all((row["cost_usd"] >= worst) == (not stream) and row["cost_usd"] > 0 for row in rows)
    assert is_free_again(gateway, "thousand_tokens", max_tokens=900) == stream


@pytest.mark.fault("C09")
def test_who_leaves_in_the_middle_pays_for_what_came(gateway: LiveGateway):
    model = "endless:chunk=0.02"
    for key in ("one_at_once", "dollar"):
        number = begun(gateway, model, "rain")
        with connected(gateway) as connection:
            sent = request(gateway.keys[key], model=f"paid/{model}", stream=True, max_tokens=900)
            connection.sendall(sent)
            arrived(gateway, model, number, "rain")
            read_until(connection, b"data: ")
        assert is_free_again(gateway, key)

    rows = gateway.rows_where("requested_model = %s", f"paid/{model}", count=2)
    assert [(row["state"], row["status"], row["estimated"]) for row in rows] == [("cancelled", 499, True)] * 2
    assert all(0 < row["output_tokens"] < 900 and row["cost_usd"] > 0 for row in rows)


@pytest.mark.fault("C10")
@SHAPES
def test_a_half_closed_connection_counts_as_one_that_left(gateway: LiveGateway, stream: bool):
    number = begun(gateway, "silence")
    with connected(gateway) as connection:
        connection.sendall(request(gateway.keys["one_at_once"], model="fake/silence", stream=stream))
        entry = arrived(gateway, "silence", number)
        connection.shutdown(socket.SHUT_WR)
        assert seconds_until_gone(gateway, entry, time.monotonic()) <= PROMISE
        assert ends(connection, 5)

    rows = gateway.rows_where("requested_model = 'fake/silence' AND key_label = 'one at once'", count=1)
    assert (rows[-1]["state"], rows[-1]["status"]) == ("cancelled", 499)
    assert is_free_again(gateway, "one_at_once")


@pytest.mark.fault("C07")
@pytest.mark.parametrize("how", ["fin", "rst"])
def test_an_upload_broken_off_leaves_no_row_no_cost_and_no_slot_taken(gateway: LiveGateway, how: str):
    assert is_free_again(gateway, "one_at_once")  # what ran before has its row from here on
    rows = settled_rows(gateway)
    hits = gateway.upstreams["sun"].ledger.hits()
    for _ in range(5):
        with connected(gateway) as connection:
            connection.sendall(head(gateway.keys["one_at_once"], 1_000_000) + b'{"model":' + b" " * 90_000)
            if how == "rst":
                reset(connection)
        assert is_free_again(gateway, "one_at_once")

    assert gateway.upstreams["sun"].ledger.hits() == hits + 5
    assert settled_rows(gateway) == rows + 5


def settled_rows(gateway: LiveGateway) -> int:
    """The rows of the key, once a row that was written after all of them is there."""
    answer = ask(gateway, request(gateway.keys["plain"], model="fake/ok"), wait=0)
    gateway.row(answer.header("x-request-id"))
    return gateway.count("key_label = 'one at once'")


@pytest.mark.fault("C12")
@SHAPES
def test_40_kb_sent_behind_a_running_request_do_not_hide_that_the_client_left(
    uvicorn_gateway: LiveGateway, stream: bool
):
    number = begun(uvicorn_gateway, "silence")
    with connected(uvicorn_gateway) as connection:
        connection.sendall(request(uvicorn_gateway.keys["one_at_once"], model="fake/silence", stream=stream))
        entry = arrived(uvicorn_gateway, "silence", number)
        connection.sendall(head(uvicorn_gateway.keys["plain"], 60_000) + b"x" * 40_000)
        time.sleep(0.1)
        assert entry.client_gone_after is None
    assert seconds_until_gone(uvicorn_gateway, entry, time.monotonic()) <= PROMISE
    assert is_free_again(uvicorn_gateway, "one_at_once")


@pytest.mark.fault("C12")
@pytest.mark.parametrize(
    "pile",
    [head("k", 900_000) + b"x" * 200_000, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3000],
    ids=["an-upload", "small-requests"],
)
def test_more_than_that_ends_the_connection(uvicorn_gateway: LiveGateway, pile: bytes):
    number = begun(uvicorn_gateway, "silence")
    with connected(uvicorn_gateway) as connection:
        connection.sendall(request(uvicorn_gateway.keys["one_at_once"], model="fake/silence", stream=True))
        entry = arrived(uvicorn_gateway, "silence", number)
        sent = time.monotonic()
        connection.send(pile[:150_000])
        assert seconds_until_gone(uvicorn_gateway, entry, sent) <= 2 * PROMISE
        assert ends(connection, 5)

    rows = uvicorn_gateway.rows_where("requested_model = 'fake/silence'", count=1)
    assert (rows[-1]["state"], rows[-1]["status"]) == ("cancelled", 499)
