"""A long load while workers are stopped and killed and Postgres stands still; afterwards the books must agree."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from bench.reliability.asking import Answer, Client
from bench.reliability.figures import Figure
from bench.reliability.ground import Ground
from bench.reliability.trouble import FULL as EVERY
from bench.reliability.trouble import SHORT as OFTEN
from bench.reliability.trouble import Done, Every, trouble

MODELS = (("trial/steady", False),) * 4 + (("trial/quick-stream", True),)
LEAST_GOOD = 0.8  # of all requests; a machine may be slow, but not refuse nearly everything
SETTLE_SECONDS = 60.0  # until journals of dead workers are read back

# Requests that a client had an answer to, by the id it gave: how many rows each has.
ROWS_OF = "SELECT client_request_id AS asked, count(*) AS rows FROM gateway_requestlog GROUP BY 1"
COSTS = """
SELECT state, alias, count(*) AS rows, count(DISTINCT cost_usd) AS prices, coalesce(sum(cost_usd), 0) AS cost,
       coalesce(sum(input_tokens * 1e-6 + cached_tokens * 0.5e-6 + output_tokens * 2e-6), 0) AS by_tokens
FROM gateway_requestlog GROUP BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class Scale:
    """How many requests, how fast, and how much trouble meanwhile."""

    requests: int
    per_second: float
    every: Every


FULL, SHORT = Scale(100_000, 80, EVERY), Scale(800, 60, OFTEN)


async def chaos(ground: Ground, client: Client, scale: Scale) -> Figure:
    """The load, the trouble, and the count."""
    done = Done()
    making_trouble = asyncio.ensure_future(trouble(ground, scale.every, done))
    answers = await load(client, scale)
    making_trouble.cancel()
    with suppress(asyncio.CancelledError):
        await making_trouble
    missing, doubled = await count_rows(ground, answers)
    wrong = [row for row in ground.query(COSTS) if row["state"] == "ok" and row["cost"] != row["by_tokens"]]
    good = sum(answer.good for answer in answers.values())
    states = {row["state"] for row in ground.query(COSTS)}
    lost = sum(row["rows"] for row in ground.query(COSTS) if row["state"] == "lost")
    return Figure(
        "chaos",
        f"{scale.requests:,} requests at {scale.per_second:.0f}/s with SIGTERM every {scale.every.term:.0f} s, "
        f"SIGKILL every {scale.every.kill:.0f} s, Postgres frozen {scale.every.frozen:.0f} s every "
        f"{scale.every.freeze:.0f} s",
        "0 rows lost, 0 doubled, cost equal to the upstream's ledger",
        f"{missing} rows lost, {doubled} doubled, {len(wrong)} costs differ",
        not (missing or doubled or wrong) and "ok" in states and good > LEAST_GOOD * scale.requests,
        f"{done.terms} × SIGTERM, {done.kills} × SIGKILL, {done.freezes} × frozen; "
        f"{good:,} answered, {lost} in flight at a kill; "
        f"the others: {how_they_failed(answers.values())}",
    )


def how_they_failed(answers: Iterable[Answer]) -> str:
    """`40 × connection broken, 12 × 503 starting`, the most frequent first."""
    failed = Counter(
        f"{answer.status or ''} {answer.error or 'cut short'}".strip()
        for answer in answers
        if not answer.good
    )
    return ", ".join(f"{count:,} × {how}" for how, count in failed.most_common()) or "none"


async def load(client: Client, scale: Scale) -> dict[str, Answer]:
    """Every request's own id, and how it ended for the client."""
    dice, start, asked = random.Random(7), time.monotonic(), {}
    for number in range(scale.requests):
        await asyncio.sleep(max(0.0, start + number / scale.per_second - time.monotonic()))
        model, stream = dice.choice(MODELS)
        asked[f"chaos-{number}"] = asyncio.ensure_future(
            client.ask(model, stream=stream, request_id=f"chaos-{number}")
        )
    return {name: await answer for name, answer in asked.items()}


async def count_rows(
    ground: Ground, answers: dict[str, Answer], patience: float = SETTLE_SECONDS
) -> tuple[int, int]:
    """Of the requests that a worker answered, how many have no row, and how many requests have more than one.

    While no worker lives the supervisor itself refuses what comes (`starting`); that was never accepted.
    """
    heard = {name for name, answer in answers.items() if answer.status and answer.error != "starting"}
    until = time.monotonic() + patience
    while True:
        rows = {row["asked"]: row["rows"] for row in ground.query(ROWS_OF)}
        missing = len(heard - rows.keys())
        if not missing or time.monotonic() > until:
            return missing, sum(count > 1 for name, count in rows.items() if name)
        await asyncio.sleep(1.0)


async def rolling(ground: Ground, client: Client, seconds: float, streams: int) -> Figure:
    """Workers are replaced one by one under load: nobody may notice."""
    ended = asyncio.Event()

    async def keep_streaming() -> list[Answer]:
        answers = []
        while not ended.is_set():
            answers.append(await client.ask("trial/stream", stream=True))
        return answers

    async def keep_asking() -> list[Answer]:
        asked, start = [], time.monotonic()
        while not ended.is_set():
            asked.append(asyncio.ensure_future(client.ask("trial/steady")))
            await asyncio.sleep(max(0.0, start + len(asked) / 100 - time.monotonic()))
        return list(await asyncio.gather(*asked))

    running = asyncio.gather(keep_asking(), *(keep_streaming() for _ in range(streams)))
    replaced = await replace_workers(ground, seconds)
    ended.set()
    asked, *streamed = await running
    cut = [answer for many in streamed for answer in many if not answer.good]
    failed = [answer for answer in asked if not answer.good]
    return Figure(
        "rolling",
        f"rolling restart under 100 requests/s and {streams} streams",
        "0 failed, 0 cut",
        f"{len(failed)} failed, {len(cut)} cut",
        not failed and not cut and replaced,
        f"{len(asked):,} requests, {sum(map(len, streamed)):,} streams, "
        + ("all workers replaced" if replaced else "NOT ALL WORKERS WERE REPLACED")
        + (f"; failed: {how_they_failed(failed)}; cut: {how_they_failed(cut)}" if failed or cut else ""),
    )


async def replace_workers(ground: Ground, seconds: float) -> bool:
    """SIGHUP to the supervisor a second into the load; whether nobody of the old ones is left after so long."""
    await asyncio.sleep(1.0)
    old = set(ground.workers())
    os.kill(ground.supervisor.pid, signal.SIGHUP)
    until = time.monotonic() + seconds
    while time.monotonic() < until and old & set(ground.workers()):
        await asyncio.sleep(0.2)
    await asyncio.sleep(1.0)
    return not old & set(ground.workers())
