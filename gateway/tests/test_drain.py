"""SIGTERM: running streams may finish; what does not finish is told so, and its row is written."""

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import orjson
import pytest

from gateway.tests.live import LiveGateway, live_gateway

CHAT = "/v1/chat/completions"


def open_stream(gateway: LiveGateway, model: str) -> httpx.Response:
    client = httpx.Client(timeout=20)
    body = {"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": True}
    request = client.build_request("POST", gateway.url + CHAT, json=body, headers=gateway.headers())
    return client.send(request, stream=True)


@pytest.fixture
def gateway(tmp_path: Path):
    with live_gateway(
        "uvicorn", tmp_path, RAINYMODEL_NOTICE_SECONDS="0.5", RAINYMODEL_DRAIN_SECONDS="1"
    ) as gateway:
        yield gateway


def test_a_stream_that_outlives_the_drain_ends_in_an_error_frame_and_a_short_one_in_done(
    gateway: LiveGateway,
):
    short = open_stream(gateway, "fake/slow:first=0,chunk=0.05,chunks=10")
    long = open_stream(gateway, "fake/slow:first=0,chunk=0.05,chunks=900")
    pieces = long.iter_bytes()
    next(pieces)
    gateway.process.send_signal(signal.SIGTERM)
    until = time.monotonic() + 5
    while (ready := httpx.get(f"{gateway.url}/ready")).status_code == 200 and time.monotonic() < until:
        pass  # the supervisor has yet to pass the word on

    cut = b"".join(pieces)
    whole = b"".join(short.iter_bytes())
    assert (ready.status_code, ready.json()["error"]["code"]) == (503, "draining")
    assert whole.endswith(b"data: [DONE]\n\n")
    last = orjson.loads(cut.split(b"\n\n")[-2].removeprefix(b"data: "))
    assert last["error"]["code"] == "draining"
    assert gateway.process.wait(10) == 0
    states = {row["requested_model"]: row["state"] for row in gateway.rows_where("stream", count=2)}
    assert sorted(states.values()) == ["ok", "truncated"]


def test_a_request_without_an_answer_yet_is_told_to_come_again(gateway: LiveGateway):
    body = {"model": "patient", "messages": [{"role": "user", "content": "x"}]}
    gateway.upstreams["rain"].play("rainy", "silence")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(
            httpx.post, gateway.url + CHAT, json=body, headers=gateway.headers(), timeout=20
        )
        assert gateway.upstreams["rain"].ledger.wait_until(lambda ledger: ledger.hits("rainy") == 1)
        gateway.process.send_signal(signal.SIGTERM)
        answer = waiting.result()

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "draining")
    assert answer.headers["x-should-retry"] == "true"


def test_nothing_is_left_of_the_worker_in_the_list(gateway: LiveGateway):
    assert gateway.registered_workers() == 1
    gateway.process.send_signal(signal.SIGTERM)
    gateway.process.wait(10)

    assert gateway.registered_workers() == 0
