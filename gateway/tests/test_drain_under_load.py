"""A stop and a replacement under load: what runs may finish, what comes is served, and every request has its row."""

import asyncio
import http.client
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import orjson
import psycopg
import pytest

from gateway.tests.live import LiveGateway, live_gateway
from rainymodel_site.tests.running import is_alive

CHAT = "/v1/chat/completions"
HELLO = {"model": "rainymodel/auto", "messages": [{"role": "user", "content": "hi"}]}
SHORT, LONG = "fake/slow:first=0,chunk=0.2,chunks=20", "fake/slow:first=0,chunk=0.2,chunks=2000"
LATE = "slow:first=1.5,chunk=0,chunks=1"


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[LiveGateway]:
    with live_gateway(
        "uvicorn", tmp_path, RAINYMODEL_NOTICE_SECONDS="5", RAINYMODEL_DRAIN_SECONDS="6"
    ) as gateway:
        yield gateway


async def read_stream(
    client: httpx.AsyncClient, gateway: LiveGateway, model: str, started: list[str]
) -> bytes:
    """The whole stream; `started` grows with its first piece."""
    body = {**HELLO, "model": model, "stream": True}
    whole = b""
    async with client.stream("POST", gateway.url + CHAT, json=body, headers=gateway.headers()) as answer:
        async for piece in answer.aiter_bytes():
            if not whole:
                started.append(answer.headers["x-request-id"])
            whole += piece
    return whole


@pytest.mark.fault("I07")
def test_of_two_hundred_streams_the_short_finish_the_long_are_told_and_no_row_is_lost(gateway: LiveGateway):
    async def story() -> tuple[list[bytes], list[str], httpx.Response, httpx.Response]:
        started: list[str] = []
        limits = httpx.Limits(max_connections=300)
        async with httpx.AsyncClient(limits=limits, timeout=60) as client:
            models = [SHORT] * 150 + [LONG] * 50
            streams = [asyncio.ensure_future(read_stream(client, gateway, each, started)) for each in models]
            while len(started) < 200:
                await asyncio.sleep(0.05)
            gateway.process.send_signal(signal.SIGTERM)
            ready = await client.get(f"{gateway.url}/ready")
            while ready.status_code == 200:
                ready = await client.get(f"{gateway.url}/ready")
            late = await client.post(gateway.url + CHAT, json=HELLO, headers=gateway.headers())
            return await asyncio.gather(*streams), started, ready, late

    texts, started, ready, late = asyncio.run(story())
    code = gateway.process.wait(30)

    assert (ready.status_code, ready.json()["error"]["code"]) == (503, "draining")
    assert (late.status_code, late.headers["connection"]) == (200, "close")  # taken within the notice
    assert all(text.endswith(b"data: [DONE]\n\n") for text in texts[:150])
    for text in texts[150:]:
        last = orjson.loads(text.split(b"\n\n")[-2].removeprefix(b"data: "))
        assert (last["error"]["code"], last["choices"][0]["finish_reason"]) == ("draining", "error")
        assert b"[DONE]" not in text
    assert code == 0
    rows = gateway.rows_where("stream", count=200)
    assert sorted(str(row["id"]) for row in rows) == sorted(started)
    assert sorted(row["state"] for row in rows) == ["ok"] * 150 + ["truncated"] * 50


@pytest.mark.fault("I08")
def test_an_upload_that_is_half_in_when_the_stop_comes_may_finish(gateway: LiveGateway):
    with half_uploaded(gateway) as (client, rest):
        gateway.process.send_signal(signal.SIGTERM)
        until_draining(gateway)
        client.sendall(rest)
        answer = read_all(client)

    assert answer.startswith(b"HTTP/1.1 200 ") and b"chat.completion" in answer
    assert gateway.process.wait(30) == 0
    assert [row["state"] for row in gateway.rows_where("true", count=1)] == ["ok"]


@pytest.mark.fault("I08")
def test_an_upload_that_does_not_finish_is_cut_with_an_answer(tmp_path: Path):
    settings = {"RAINYMODEL_NOTICE_SECONDS": "0", "RAINYMODEL_DRAIN_SECONDS": "2"}
    with live_gateway("uvicorn", tmp_path, **settings) as gateway, half_uploaded(gateway) as (client, _):
        gateway.process.send_signal(signal.SIGTERM)
        answer = read_all(client)
        code = gateway.process.wait(30)

    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"draining"' in answer
    assert code == 0


@pytest.mark.fault("I07")
def test_a_client_that_was_not_told_may_ask_once_more_on_its_connection(tmp_path: Path):
    settings = {"RAINYMODEL_NOTICE_SECONDS": "0", "RAINYMODEL_DRAIN_SECONDS": "6"}
    with live_gateway("uvicorn", tmp_path, **settings) as gateway:
        client = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=20)
        idle = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=20)
        ask(idle, gateway, HELLO).read()
        stream = ask(client, gateway, {**HELLO, "model": SHORT, "stream": True})
        stream.read(1)
        late = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=20)
        send(late, gateway, {**HELLO, "model": f"fake/{LATE}"})
        assert gateway.upstreams["sun"].ledger.wait_until(lambda ledger: ledger.hits(LATE) == 1)
        gateway.process.send_signal(signal.SIGTERM)
        whole = stream.read()
        again = ask(client, gateway, HELLO)

        assert (stream.headers["connection"], whole[-8:]) == (None, b"[DONE]\n\n")
        assert (again.status, again.headers["connection"]) == (200, "close")
        told = late.getresponse()  # it began before the stop, and its answer after it
        assert (told.status, told.headers["connection"]) == (200, "close")
        assert idle.sock.recv(1) == b""  # whoever asks nothing is let go
        assert gateway.process.wait(30) == 0


def ask(client: http.client.HTTPConnection, gateway: LiveGateway, body: dict) -> http.client.HTTPResponse:
    """A request on this very connection; the answer's body is yet to be read."""
    send(client, gateway, body)
    return client.getresponse()


def send(client: http.client.HTTPConnection, gateway: LiveGateway, body: dict) -> None:
    headers = {**gateway.headers(), "Content-Type": "application/json"}
    client.request("POST", CHAT, orjson.dumps(body), headers)


@contextmanager
def half_uploaded(gateway: LiveGateway) -> Iterator[tuple[socket.socket, bytes]]:
    """A connection on which a request is sent but for the rest of its body."""
    body = orjson.dumps(HELLO)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {gateway.keys['plain']}\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    with socket.create_connection(("127.0.0.1", int(gateway.url.rsplit(":", 1)[1])), 30) as client:
        client.sendall(request[:-20])
        httpx.get(f"{gateway.url}/health")  # answered after what was sent before
        yield client, request[-20:]


def until_draining(gateway: LiveGateway) -> None:
    while httpx.get(f"{gateway.url}/ready").status_code == 200:
        time.sleep(0.02)


def read_all(client: socket.socket) -> bytes:
    whole = b""
    while piece := client.recv(65_536):
        whole += piece
    return whole


@pytest.mark.fault("I22")
def test_while_every_worker_is_replaced_no_request_fails(tmp_path: Path):
    settings = {"WEB_WORKERS": "2", "RAINYMODEL_NOTICE_SECONDS": "1", "RAINYMODEL_DRAIN_SECONDS": "5"}
    with live_gateway("uvicorn", tmp_path, **settings) as gateway:

        async def story() -> list[str]:
            said: list[str] = []
            async with httpx.AsyncClient(limits=httpx.Limits(max_connections=40), timeout=60) as client:
                before = await pids(gateway, 2)
                asking = [asyncio.ensure_future(keep_asking(client, number)) for number in range(20)]
                gateway.process.send_signal(signal.SIGHUP)
                while any(map(is_alive, before)):
                    await asyncio.sleep(0.1)
                going.clear()
                for task in asking:
                    said += await task
            assert not await pids(gateway, 2) & before
            return said

        going = {"yes"}

        async def keep_asking(client: httpx.AsyncClient, number: int) -> list[str]:
            said = []
            while going:
                body = {**HELLO, "stream": bool(number % 2)}
                answer = await client.post(gateway.url + CHAT, json=body, headers=gateway.headers())
                whole = answer.text.endswith("data: [DONE]\n\n") if number % 2 else "choices" in answer.json()
                said.append(f"{answer.status_code} {whole}")
                await asyncio.sleep(0.1)
            return said

        said = asyncio.run(story())

    assert set(said) == {"200 True"}
    assert len(said) > 100


async def pids(gateway: LiveGateway, count: int) -> set[int]:
    """The process ids of the workers on the list, once there are so many living ones."""
    while True:
        found = {row["pid"] for row in await asyncio.to_thread(workers, gateway)}
        alive = {pid for pid in found if is_alive(pid)}
        if len(alive) == count:
            return alive
        await asyncio.sleep(0.1)


def workers(gateway: LiveGateway) -> list[dict[str, int]]:
    with psycopg.connect(gateway.dsn, row_factory=psycopg.rows.dict_row) as connection:
        return connection.execute("SELECT pid FROM gateway_worker").fetchall()
