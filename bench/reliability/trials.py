"""Upstreams that fail, one way at a time, and what clients and upstreams saw of it."""

import select
import socket
from dataclasses import dataclass
from pathlib import Path

from bench.measure import peak_mb, resident_mb
from bench.reliability.asking import Client, at_rate
from bench.reliability.catalogue import BROKEN, COIN, DOWN, FIRST_CONTENT_LIMIT
from bench.reliability.figures import Figure
from bench.reliability.ground import Ground

DEAD_LIMIT, TRIES_LIMIT, COIN_LIMIT, ERROR_SHARE = 3, 1.2, 15, 0.01
DRIP_LIMIT = 0.25  # seconds beyond the limit to first content
PIECE = 16 * 1024  # what Python's http.client sends of a body at a time
BODY, BODY_READ, BODY_MB = 100_000_000, 64 * 1024, 2.0

# Of each worker and deployment: how often it was tried before it was skipped for the first time.
TRIED_FIRST = """
WITH steps AS (
    SELECT log.worker, log.started_at, log.id, (step ->> 'skipped') IS NOT NULL AS skipped
    FROM gateway_requestlog log CROSS JOIN LATERAL jsonb_array_elements(log.attempts) step
    WHERE log.alias = %s AND step ->> 'deployment' = %s
), firsts AS (
    SELECT worker, min(id::text) FILTER (WHERE skipped) AS first_skip FROM steps GROUP BY worker
)
SELECT worker, count(*) FILTER (WHERE NOT skipped AND (first_skip IS NULL OR steps.id::text < first_skip)) AS tried
FROM steps JOIN firsts USING (worker) GROUP BY worker
"""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is tried: seconds of load, and how many of single requests."""

    down: float
    coin: float
    requests: int


FULL, SHORT = Scale(down=60, coin=300, requests=100), Scale(down=5, coin=6, requests=10)


async def dead(ground: Ground, client: Client, scale: Scale) -> Figure:
    """An upstream that always fails, with a healthy one behind it."""
    answers = [await client.ask("trial/dead") for _ in range(10 * scale.requests)]
    tried = tried_before_skip(ground, "trial/dead", "dead-0/x", len(answers))
    return Figure(
        "dead",
        "hits on a dead deployment per worker before it is skipped",
        f"≤ {DEAD_LIMIT}",
        f"{max(tried)}",
        max(tried) <= DEAD_LIMIT and all(answer.good for answer in answers),
        f"{len(answers)} requests, one after the other",
    )


async def down(ground: Ground, client: Client, scale: Scale) -> Figure:
    """Nobody answers."""
    before = ground.hits()
    answers = await at_rate(10, scale.down, lambda: client.ask("trial/down"))
    after = ground.hits()
    tries = sum(after.get(model, 0) - before.get(model, 0) for model in DOWN) / len(answers)
    honest = all(answer.status in (502, 503) for answer in answers)
    return Figure(
        "down",
        "upstream tries per client request, everything down, 10/s",
        f"≤ {TRIES_LIMIT}",
        f"{tries:.2f}",
        tries <= TRIES_LIMIT and honest,
        f"{scale.down:.0f} s",
    )


async def coin(ground: Ground, client: Client, scale: Scale) -> Figure:
    """An upstream that fails every second call, beside a healthy one."""
    answers = await at_rate(100, scale.coin, lambda: client.ask("trial/coin"))
    failed = sum(not answer.good for answer in answers) / len(answers)
    tried = tried_before_skip(ground, "trial/coin", "coin-0/x", len(answers))
    return Figure(
        "coin",
        "50 % failer beside a healthy twin, 100/s",
        f"client errors < {ERROR_SHARE:.0%}, out after ≤ {COIN_LIMIT} calls",
        f"{failed:.2%}, {max(tried)} calls",
        failed < ERROR_SHARE and max(tried) <= COIN_LIMIT,
        f"{scale.coin:.0f} s, {ground.hits().get(COIN, 0)} of {len(answers)} requests reached it",
    )


async def first_event(ground: Ground, client: Client, scale: Scale) -> Figure:
    """A stream whose first event is an error, with a healthy twin."""
    answers = [await client.ask("trial/first", stream=True) for _ in range(scale.requests)]
    good = sum(answer.good for answer in answers)
    return Figure(
        "first_event",
        "stream whose first event is an error, healthy twin present",
        "100 % served",
        f"{good / len(answers):.0%}",
        good == len(answers),
        f"{len(answers)} streams",
    )


async def broken(ground: Ground, client: Client, scale: Scale) -> Figure:
    """Streams that look like a success and are none, each with nobody to fall back on."""
    answers = {
        kind: await client.ask(f"trial/broken-{number}", stream=True) for number, kind in enumerate(BROKEN)
    }
    rows = ground.wait_for_rows("alias LIKE 'trial/broken-%%' AND state <> 'ok'", len(BROKEN))
    told = [kind for kind, answer in answers.items() if not answer.good and answer.error]
    return Figure(
        "broken",
        f"broken “success” streams flagged ({', '.join(BROKEN)})",
        f"{len(BROKEN)} of {len(BROKEN)}",
        f"{len(told)} of {len(BROKEN)} to the client, {rows} in the log",
        len(told) == rows == len(BROKEN),
    )


async def drip(ground: Ground, client: Client, scale: Scale) -> Figure:
    """An upstream whose head arrives line by line: its limit is to the first content, not to the next byte."""
    answers = [await client.ask("trial/drip") for _ in range(2)]  # a third would find it skipped
    late = max(answer.seconds for answer in answers) - FIRST_CONTENT_LIMIT
    return Figure(
        "drip",
        "first-byte limit under a header drip",
        f"+ {DRIP_LIMIT * 1000:.0f} ms at most",
        f"+ {late * 1000:.0f} ms",
        late <= DRIP_LIMIT and all(answer.good for answer in answers),
        f"limit {FIRST_CONTENT_LIMIT:.0f} s, head over 12 s",
    )


async def large_body(ground: Ground, client: Client, scale: Scale) -> Figure:
    """A body of 100 MB whose length is declared: refused after the headers."""
    workers = ground.workers()
    read, memory = sum(map(bytes_read, workers)), max(map(resident_mb, workers))
    refused = [send_large_body(ground) for _ in range(10)]
    read = sum(map(bytes_read, workers)) - read
    grown = max(map(peak_mb, workers)) - memory
    return Figure(
        "large_body",
        "100 MB body with a declared length (uvicorn)",
        "≤ 64 KiB read, + 2 MB memory",
        f"{read / len(refused) / 1024:.0f} KiB read, + {max(grown, 0.0):.1f} MB",
        all(refused) and read / len(refused) <= BODY_READ and grown <= BODY_MB,
        f"{len(refused)} requests",
    )


def send_large_body(ground: Ground) -> bool:
    """Announce 100 MB and begin to send it; whether the answer was 413 and the connection closed."""
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{ground.port}\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {ground.key}\r\nContent-Length: {BODY}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", ground.port), 10) as connection:
        connection.sendall(head.encode())
        answer = b""
        while True:
            readable, writable, _ = select.select([connection], [connection], [], 10)
            if readable:
                piece = connection.recv(65_536)
                if not piece:
                    break
                answer += piece
            elif writable:
                connection.send(bytes(PIECE))
    return answer.startswith(b"HTTP/1.1 413 ")


def bytes_read(pid: int) -> int:
    """Bytes that a process has read so far, sockets included."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("rchar:")))


def tried_before_skip(ground: Ground, alias: str, deployment: str, requests: int) -> list[int]:
    """Of each worker that served the alias, how often it tried the deployment before it first passed it by."""
    ground.wait_for_rows(f"alias = '{alias}'", requests)
    return [row["tried"] for row in ground.query(TRIED_FIRST, alias, deployment)] or [0]


TRIALS = (dead, down, coin, first_event, broken, drip, large_body)
