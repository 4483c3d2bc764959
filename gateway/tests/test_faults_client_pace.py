"""Clients that send too much or too slowly, do not read, ask for too much at once, or wait for a silent model."""

import asyncio
import contextlib
import re
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import psutil
import pytest
import uvicorn
from uvicorn.server import ServerState

from gateway.tests.live import LiveGateway, live_gateway
from gateway.tests.raw_client import ask, connected, head, read_answer, request, reset, send_all
from rainymodel_site.protocol import CarefulProtocol

MEGABYTE = 1024 * 1024
HELD = (
    1.25 * MEGABYTE
)  # for each connection: at most 1 MiB of the answer, and what a connection costs by itself
UPLOAD, STALL, PING = 1.5, 5.0, 1.0
DEFAULT_CONCURRENCY = 32
OF_THE_CROWD = "key_label = 'free only'"
CROWD = {"provider": "sun", "model": "crowd", "tier": "free", "first_content_limit": 60}
MORE = {"deployments": {"sun/crowd": CROWD}, "aliases": {"crowd": {"routes": ["sun/crowd"]}}}
SHAPES = pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveGateway]:
    """One with little patience, and with enough requests a minute for every key."""
    little = {"RAINYMODEL_UPLOAD_SECONDS": str(UPLOAD), "RAINYMODEL_STALL_SECONDS": str(STALL)}
    many = {"RAINYMODEL_KEY_REQUESTS_PER_MINUTE": "1000000"}
    with live_gateway("uvicorn", tmp_path_factory.mktemp("pace"), more=MORE, **little, **many) as running:
        yield running


def memory(gateway: LiveGateway) -> int:
    """Resident bytes of the one worker."""
    (worker,) = psutil.Process(gateway.process.pid).children()
    return worker.memory_info().rss


def row_of(gateway: LiveGateway, request_id: str) -> tuple[str, int, str]:
    row = gateway.row(request_id)
    return row["state"], row["status"], row["error_code"]


@pytest.mark.fault("C04")
def test_100_mb_are_refused_after_the_head_and_cost_no_memory(gateway: LiveGateway):
    key, piece = gateway.keys["one_at_once"], b" " * MEGABYTE
    ask(gateway, head(key, 100 * MEGABYTE) + piece, wait=0)
    before = memory(gateway)
    for _ in range(5):
        with connected(gateway) as connection:
            sent = head(key, 100 * MEGABYTE)
            connection.sendall(sent)
            for _ in range(100):
                send_all(connection, piece)
            answer = read_answer(connection)
        assert (answer.status, answer.error["code"]) == (413, "body_too_large")
        assert (answer.header("connection"), answer.header("x-should-retry")) == ("close", "false")
        assert answer.closed
        assert row_of(gateway, answer.header("x-request-id")) == ("client_error", 413, "body_too_large")

    assert memory(gateway) - before < 2 * MEGABYTE


class Counting(CarefulProtocol):
    """Counts the bytes that it reads from its socket."""

    received = 0

    def data_received(self, data: bytes) -> None:
        Counting.received += len(data)
        super().data_received(data)


async def refusing(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Says no without a look at the body, after a moment's thought."""
    await asyncio.sleep(0.05)
    await send({"type": "http.response.start", "status": 413, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"no"})


@pytest.mark.fault("C04")
async def test_nothing_of_a_large_upload_is_read_before_it_is_asked_for():
    Counting.received = 0
    config, state = uvicorn.Config(refusing, log_config=None), ServerState()
    sent = head("k", 100 * MEGABYTE)
    async with await asyncio.get_running_loop().create_server(
        lambda: Counting(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    ) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(sent + b"x" * 100)
        while not Counting.received:
            await asyncio.sleep(0)
        writer.write(b"x" * 4 * MEGABYTE)
        async with asyncio.timeout(5):
            said = await reader.readuntil(b"no")
            with contextlib.suppress(ConnectionError):
                await reader.read()
        writer.transport.abort()

    assert b"connection: close" in said
    assert Counting.received == len(sent) + 100


@pytest.mark.fault("C05")
@pytest.mark.parametrize(("name", "limit"), [("one_at_once", 10), ("large_bodies", 12), ("small_bodies", 1)])
def test_a_body_without_a_length_is_counted_to_its_keys_limit_and_no_further(
    gateway: LiveGateway, name: str, limit: int
):
    key, chunk = gateway.keys[name], b"10000\r\n" + b" " * 65_536 + b"\r\n"
    taken = 0
    with connected(gateway) as connection:
        connection.sendall(head(key, None, "Transfer-Encoding: chunked"))
        with contextlib.suppress(ConnectionError, TimeoutError):
            while taken < 200 * MEGABYTE:
                connection.sendall(chunk)
                taken += len(chunk)
        answer = read_answer(connection)

    assert (answer.status, answer.error["code"]) == (413, "body_too_large")
    assert (answer.header("connection"), answer.closed) == ("close", True)
    assert f"larger than {limit * MEGABYTE} bytes" in answer.error["message"]
    assert (
        limit * MEGABYTE < taken < (limit + 30) * MEGABYTE
    )  # what lies in the sockets' buffers was sent, and never read
    assert row_of(gateway, answer.header("x-request-id")) == ("client_error", 413, "body_too_large")
    assert ask(gateway, request(key, model="fake/ok"), wait=0).status == 200


@pytest.mark.fault("C05")
@SHAPES
@pytest.mark.parametrize(
    ("name", "size", "status"),
    [
        ("one_at_once", 11, 413),
        ("large_bodies", 11, 200),
        ("large_bodies", 13, 413),
        ("small_bodies", 2, 413),
    ],
)
def test_a_key_brings_its_own_limit_for_bodies(
    gateway: LiveGateway, name: str, size: int, status: int, stream: bool
):
    whole = request(gateway.keys[name], model="fake/ok", stream=stream, user="x" * size * MEGABYTE)
    answer = ask(gateway, whole, wait=0)

    assert answer.status == status
    if status == 413:
        assert answer.error["code"] == "body_too_large"


@pytest.mark.fault("C05")
def test_a_body_longer_than_it_says_ends_the_connection(gateway: LiveGateway):
    hits = gateway.upstreams["sun"].ledger.hits()
    whole = request(gateway.keys["one_at_once"], model="fake/ok")
    with connected(gateway) as connection:
        connection.sendall(whole + b'{"model": "paid/ok"}')
        assert connection.recv(1000) == b""

    assert gateway.upstreams["sun"].ledger.hits() == hits
    assert ask(gateway, whole, wait=0).status == 200


@pytest.mark.fault("C06")
@pytest.mark.parametrize(
    ("piece", "soonest", "latest"),
    [(b" ", UPLOAD / 3, UPLOAD), (b" " * 2000, UPLOAD, 3 * UPLOAD)],
    ids=["a-byte-now-and-then", "fast-enough-but-without-end"],
)
def test_a_slow_upload_is_a_408(gateway: LiveGateway, piece: bytes, soonest: float, latest: float):
    key, began = gateway.keys["one_at_once"], time.monotonic()
    with connected(gateway) as connection:
        connection.sendall(head(key, MEGABYTE))
        connection.settimeout(0.05)
        answer = None
        while answer is None and time.monotonic() < began + 10:
            send_all(connection, piece)
            with contextlib.suppress(TimeoutError):
                answer = read_answer(connection)
        taken = time.monotonic() - began

    assert answer is not None
    assert (answer.status, answer.error["code"]) == (408, "upload_too_slow")
    assert (answer.header("connection"), answer.closed) == ("close", True)
    assert soonest <= taken < latest + 5  # the connection lingers for two seconds
    assert soonest <= gateway.row(answer.header("x-request-id"))["total_ms"] / 1000 + 0.05 < latest
    assert row_of(gateway, answer.header("x-request-id")) == ("client_error", 408, "upload_too_slow")
    assert ask(gateway, request(key, model="fake/ok"), wait=0).status == 200


@pytest.mark.fault("C07")
def test_what_a_broken_upload_had_sent_is_freed(gateway: LiveGateway):
    def break_off() -> None:
        with connected(gateway) as connection:
            connection.sendall(head(gateway.keys["one_at_once"], 9 * MEGABYTE) + b" " * 8 * MEGABYTE)
            reset(connection)
        until = time.monotonic() + 5
        while ask(gateway, request(gateway.keys["one_at_once"], model="fake/ok"), wait=0).status == 429:
            assert time.monotonic() < until

    break_off()
    before = memory(gateway)
    for _ in range(10):
        break_off()

    assert memory(gateway) - before < 20 * MEGABYTE


@pytest.mark.fault("C11")
def test_a_client_that_does_not_read_holds_little_stops_the_upstream_and_is_cut(gateway: LiveGateway):
    model, few, clients = "endless:kb=4", 8, 28
    ledger, held = gateway.upstreams["sun"].ledger, []
    with contextlib.ExitStack() as stack:
        for number in range(1, clients + 1):
            connection = stack.enter_context(connected(gateway, receive_buffer=4096))
            connection.sendall(request(gateway.keys["plain"], model=f"fake/{model}", stream=True))
            if number in (few, clients):  # the first few also cost what is needed but once
                assert ledger.wait_until(lambda ledger: ledger.hits(model) == number, timeout=5)  # noqa: B023
                assert ledger.wait_until(lambda _: stands_still(ledger.of(model)), timeout=STALL)
                held.append(memory(gateway))
        entries = ledger.of(model)
        assert held[1] - held[0] < (clients - few) * HELD
        assert ledger.wait_until(
            lambda _: all(entry.client_gone_after is not None for entry in entries), timeout=2 * STALL
        )

    rows = gateway.rows_of(f"fake/{model}", count=clients)
    assert [(row["state"], row["status"]) for row in rows] == [("cancelled", 499)] * clients
    assert all(row["output_tokens"] > 0 for row in rows)


@pytest.mark.fault("C11")
def test_a_whole_answer_that_nobody_reads_is_cut_and_logged_as_cancelled_with_its_usage(gateway: LiveGateway):
    model = "fake/big_body:mb=19.0"
    with connected(gateway, receive_buffer=4096) as connection:
        connection.sendall(request(gateway.keys["plain"], model=model))
        (row,) = gateway.rows_where("requested_model = %s", model, count=1, timeout=4 * STALL)

    assert (row["state"], row["status"]) == ("cancelled", 499)
    assert row["output_tokens"] > 0
    assert [attempt["word"] for attempt in row["attempts"]] == [""]


def stands_still(entries: list[Any]) -> bool:
    """Whether nothing more was sent for any of them within 0.3 seconds."""
    sent = [entry.bytes_out for entry in entries]
    time.sleep(0.3)
    return min(sent) > 0 and sent == [entry.bytes_out for entry in entries]


@pytest.mark.fault("C11")
def test_a_client_that_reads_slowly_but_reads_gets_all_of_its_answer(gateway: LiveGateway):
    answer, length = b"", 0
    with connected(gateway, receive_buffer=65_536) as connection:
        connection.sendall(request(gateway.keys["plain"], model="fake/big_body:mb=20.0"))
        began = time.monotonic()
        while not length or len(answer) < length:
            answer += connection.recv(65_536)
            found = re.search(rb"content-length: (\d+)\r\n.*?\r\n\r\n", answer, re.S | re.I)
            length = int(found[1]) + found.end() if found else 0
            if time.monotonic() - began < STALL + 1:
                time.sleep(0.02)

    assert length > 20_000_000
    assert len(answer) == length
    (row,) = gateway.rows_of("fake/big_body:mb=20.0")
    assert (row["state"], row["status"]) == ("ok", 200)


async def send_at_once(gateway: LiveGateway, data: bytes) -> tuple[int, bytes]:
    """The status of one request on a connection of its own, and all that came."""
    host, port = gateway.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(data)
        async with asyncio.timeout(60):
            answer = await reader.read()
    finally:
        writer.transport.abort()
    return int(answer.split()[1]), answer


@pytest.mark.fault("C34")
@SHAPES
async def test_of_1000_requests_at_once_32_are_served_and_other_keys_do_not_notice(
    gateway: LiveGateway, stream: bool
):
    sun, rows = gateway.upstreams["sun"], gateway.count(OF_THE_CROWD)
    sun.play("crowd", "silence")
    served = sun.ledger.hits("crowd") + DEFAULT_CONCURRENCY
    greedy = request(gateway.keys["free_only"], "Connection: close", model="crowd", stream=stream)
    modest = request(gateway.keys["dollar"], "Connection: close", model="fake/ok", stream=stream)
    crowd = [asyncio.ensure_future(send_at_once(gateway, greedy)) for _ in range(1000)]
    refused = [await done for done in islice(asyncio.as_completed(crowd), 1000 - DEFAULT_CONCURRENCY)]
    others = [await send_at_once(gateway, modest) for _ in range(10)]

    assert {status for status, _ in refused} == {429}
    assert all(b'"code":"concurrency_limit"' in text and b"retry-after: " in text for _, text in refused)
    assert [status for status, _ in others] == [200] * 10
    assert await sun.ledger.until(lambda ledger: ledger.hits("crowd") == served, timeout=5)
    for held in crowd:
        held.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    assert await sun.ledger.until(lambda ledger: ledger.totals.open == 0, timeout=5)
    until = time.monotonic() + 10
    while gateway.count(OF_THE_CROWD) < rows + 1000 and time.monotonic() < until:
        await asyncio.sleep(0.05)
    assert gateway.count(OF_THE_CROWD) == rows + 1000
    sun.play("crowd", "ok")
    again = await asyncio.gather(*(send_at_once(gateway, greedy) for _ in range(DEFAULT_CONCURRENCY)))
    assert [status for status, _ in again] == [200] * DEFAULT_CONCURRENCY
    assert len(gateway.rows_where(OF_THE_CROWD, count=rows + 1032)) == rows + 1032


@pytest.mark.fault("C40")
def test_a_silent_model_is_bridged_by_pings_and_the_status_leaves_with_the_first(gateway: LiveGateway):
    gateway.upstreams["rain"].play("rainy", "slow:first=3.6,chunk=0,chunks=2")
    with connected(gateway) as connection:
        began = time.monotonic()
        connection.sendall(request(gateway.keys["plain"], model="patient", stream=True))
        first = connection.recv(65_536)
        waited, answer = time.monotonic() - began, first
        while not answer.endswith(b"0\r\n\r\n"):
            answer += connection.recv(65_536)

    assert waited >= PING
    assert first.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b": ping\n\n") == 3
    assert answer.index(b": ping") < answer.index(b"data: ")
    assert b"data: [DONE]\n\n" in answer


@pytest.mark.fault("C40")
def test_a_failure_has_its_own_status_before_the_first_ping_and_is_a_frame_after_it(gateway: LiveGateway):
    before = ask(gateway, request(gateway.keys["plain"], model="fake/status:code=400", stream=True), wait=0)
    with connected(gateway) as connection:
        connection.sendall(request(gateway.keys["plain"], model="paid/silence", stream=True))
        after = b""
        while not after.endswith(b"0\r\n\r\n"):
            after += connection.recv(65_536)

    assert (before.status, before.error["type"]) == (400, "invalid_request_error")
    assert after.startswith(b"HTTP/1.1 200 ")
    assert b"all_upstreams_failed" in after
    assert b"[DONE]" not in after
