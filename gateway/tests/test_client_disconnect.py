"""A client that leaves takes its upstream request along, and the row says so."""

import socket
import time

import orjson
import pytest

from gateway.tests.live import LiveGateway

PATIENCE = 1.0  # the promise is 250 ms; a busy test machine gets more


def leave_after(
    gateway: LiveGateway, model: str, *, stream: bool, pause: float, behind: tuple[bytes, ...] = ()
) -> None:
    """Send a request on a socket of our own, and bytes `behind` it piece by piece once it runs; wait, close."""
    host, port = gateway.url.removeprefix("http://").split(":")
    body = orjson.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream})
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {gateway.keys['plain']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.sendall(head.encode() + body)
        time.sleep(pause)
        for piece in behind:
            connection.sendall(piece)
            time.sleep(0.05)  # so that each arrives by itself


HEALTH = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"
UPLOAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: h\r\nContent-Length: 900\r\n\r\n{"


@pytest.mark.parametrize(
    "behind",
    [(HEALTH,), (HEALTH, HEALTH + HEALTH), (HEALTH[:20],), (UPLOAD,)],
    ids=["one", "three", "half-a-head", "half-a-body"],
)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("scenario", ["silence", "slow:head=0,first=0,chunk=0.01,chunks=1001"])
def test_a_request_sent_behind_a_running_one_does_not_hide_that_the_client_left(
    uvicorn_gateway: LiveGateway, scenario: str, stream: bool, behind: tuple[bytes, ...]
):
    ledger = uvicorn_gateway.upstreams["sun"].ledger
    before = len(ledger.of(scenario))
    leave_after(uvicorn_gateway, f"fake/{scenario}", stream=stream, pause=0.2, behind=behind)
    left = time.monotonic()

    (entry,) = ledger.of(scenario)[before:]
    assert ledger.wait_until(lambda _: entry.client_gone_after is not None, timeout=2)
    assert time.monotonic() - left < PATIENCE


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("scenario", ["silence", "slow:first=0,chunk=0.01,chunks=1000"])
def test_the_upstream_sees_the_client_leave(gateway: LiveGateway, scenario: str, stream: bool):
    model = f"{scenario}" if stream else f"{scenario.replace('slow:', 'slow:head=0,')}"
    ledger = gateway.upstreams["sun"].ledger
    before = len(ledger.of(model))
    leave_after(gateway, f"fake/{model}", stream=stream, pause=0.3)
    left = time.monotonic()

    assert ledger.wait_until(lambda ledger: len(ledger.of(model)) > before, timeout=2)
    entry = ledger.of(model)[-1]
    if stream or scenario == "silence":
        assert ledger.wait_until(lambda _: entry.client_gone_after is not None, timeout=2)
        assert time.monotonic() - left < PATIENCE


def test_the_row_of_a_cancelled_request_says_cancelled(gateway: LiveGateway):
    model = "fake/slow:first=0,chunk=0.01,chunks=999"
    leave_after(gateway, model, stream=True, pause=0.3)

    rows = gateway.rows_of(model)
    assert [(row["state"], row["status"]) for row in rows] == [("cancelled", 499)]
    assert rows[0]["attempts"][0]["word"] == "cancelled"
    assert rows[0]["output_tokens"] > 0
    assert rows[0]["estimated"] is True


def test_leaving_says_nothing_about_the_upstreams_health(uvicorn_gateway: LiveGateway):
    for _ in range(4):
        leave_after(uvicorn_gateway, "pair/silence", stream=True, pause=0.1)

    states = uvicorn_gateway.rows_of("pair/silence", count=4)
    assert {row["upstream"] for row in states} == {""}
    assert {row["attempts"][0]["provider"] for row in states} == {"sun"}


def test_leaving_during_the_upload_leaves_no_row(uvicorn_gateway: LiveGateway):
    host, port = uvicorn_gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 5) as connection:
        connection.sendall(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer "
            f"{uvicorn_gateway.keys['chosen_aliases']}\r\nContent-Length: 1000\r\n\r\n{{".encode()
        )
        time.sleep(0.1)
    time.sleep(0.6)  # a row, if there were one, is written within a quarter of a second

    assert uvicorn_gateway.count("state = 'cancelled' AND requested_model = ''") == 0
