"""Many streams and many requests on one worker: every byte accounted for, nothing left behind."""

import asyncio
import re
from collections import Counter

import orjson
import psutil
import pytest

from gateway.tests.live import LiveGateway

STREAMS = 300
REQUESTS = 20_000
CONNECTIONS = 16
ALLOWED_GROWTH = 8 * 1024 * 1024  # caches and pools fill a little; a leak of 1 kB a request would be 20 MB


def request_bytes(gateway: LiveGateway, model: str, *, stream: bool) -> bytes:
    body = orjson.dumps({"model": model, "messages": [{"role": "user", "content": "hi"}], "stream": stream})
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {gateway.keys['plain']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def connect(gateway: LiveGateway) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, port = gateway.url.removeprefix("http://").split(":")
    return await asyncio.open_connection(host, int(port), limit=2**20)


async def read_stream(gateway: LiveGateway, model: str, chunks: int) -> Counter[str]:
    """One stream on its own connection: how many frames, and whether they are all there and in order."""
    reader, writer = await connect(gateway)
    writer.write(request_bytes(gateway, model, stream=True))
    text = await asyncio.wait_for(reader.readuntil(b"data: [DONE]\n\n"), 60)
    writer.close()
    contents = re.findall(rb'"content":"([^"]*)"', text)
    return Counter(streams=1, pieces=sum(1 for content in contents if content), whole=len(contents) >= chunks)


async def ask_again_and_again(gateway: LiveGateway, times: int) -> int:
    """So many JSON requests over one kept-alive connection; how many were answered with 200."""
    reader, writer = await connect(gateway)
    request, good = request_bytes(gateway, "rainymodel/auto", stream=False), 0
    for _ in range(times):
        writer.write(request)
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        good += head.startswith(b"HTTP/1.1 200 ")
        length = re.search(rb"content-length: (\d+)", head, re.I)
        assert length is not None
        await reader.readexactly(int(length[1]))
    writer.close()
    return good


def worker_of(gateway: LiveGateway) -> psutil.Process:
    """The one worker process behind the supervisor."""
    (worker,) = psutil.Process(gateway.process.pid).children()
    return worker


async def test_300_streams_at_once_lose_no_byte(uvicorn_gateway: LiveGateway):
    ledger = uvicorn_gateway.upstreams["sun"].ledger
    ledger.reset()
    model = "slow:first=0.5,chunk=0.02,chunks=60"
    seen = await asyncio.gather(*(read_stream(uvicorn_gateway, f"fake/{model}", 60) for _ in range(STREAMS)))

    total = sum(seen, Counter())
    assert total["streams"] == total["whole"] == STREAMS
    assert total["pieces"] == STREAMS * 60
    assert ledger.hits(model) == STREAMS
    assert ledger.totals.completed == STREAMS
    assert ledger.totals.cancelled == 0
    rows = uvicorn_gateway.rows_of(f"fake/{model}", count=STREAMS)
    assert Counter(row["state"] for row in rows) == {"ok": STREAMS}


@pytest.mark.fault("I10")
async def test_memory_is_flat_over_20000_requests(uvicorn_gateway: LiveGateway):
    worker = worker_of(uvicorn_gateway)
    before = uvicorn_gateway.count("key_label = 'plain'")
    await asyncio.gather(*(ask_again_and_again(uvicorn_gateway, 100) for _ in range(CONNECTIONS)))
    warm = worker.memory_info().rss
    each = REQUESTS // CONNECTIONS
    good = await asyncio.gather(*(ask_again_and_again(uvicorn_gateway, each) for _ in range(CONNECTIONS)))

    assert sum(good) == REQUESTS
    assert worker.memory_info().rss - warm < ALLOWED_GROWTH
    assert (
        len(worker.net_connections()) < STREAMS + CONNECTIONS * 3
    )  # the streams of before may still be pooled
    expected = before + REQUESTS + 100 * CONNECTIONS
    for _ in range(100):
        if (rows := uvicorn_gateway.count("key_label = 'plain'")) >= expected:
            break
        await asyncio.sleep(0.1)
    assert rows == expected
