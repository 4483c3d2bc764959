"""A long mixed load on one worker: what it holds afterwards that it did not hold before."""

import asyncio
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure import resident_mb
from bench.reliability.asking import Client
from bench.reliability.catalogue import BROKEN
from bench.reliability.figures import Figure
from bench.reliability.ground import Ground

SLOPE_LIMIT = 1.0  # MB per 100,000 requests
JUDGED_FROM = 50_000  # requests; before that the slope is the warming up
WARM_UP = 0.3  # of the time: pools, caches and the allocator grow at first
QUIET_SECONDS = 5.0
LEAVES_AFTER = 0.1  # seconds until an impatient client hangs up

# What is asked for, and how often of a hundred. Every seventh stream loses its client.
MIX = (
    (("trial/steady", False), 70),
    (("trial/quick-stream", True), 15),
    (("trial/dead", False), 5),
    (("trial/first", True), 5),
    (("trial/down", False), 3),
    *(((f"trial/broken-{number}", True), 1) for number in range(len(BROKEN))),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """How long, and how many ask at once."""

    seconds: float
    clients: int
    pause: float  # seconds that each thinks between two requests


FULL, SHORT = Scale(1800, 24, 0.1), Scale(8, 8, 0.0)


@dataclass(frozen=True, slots=True)
class Sample:
    """The worker's memory when so many requests had been asked."""

    requests: int
    mb: float


async def soak(ground: Ground, client: Client, scale: Scale) -> Figure:
    """Ask for everything in turn, and look at the worker meanwhile and afterwards."""
    (worker,) = ground.workers()
    before = open_sockets(worker)
    until, asked = time.monotonic() + scale.seconds, [0]
    askers = asyncio.gather(
        *(keep_asking(client, until, asked, seed, scale.pause) for seed in range(scale.clients))
    )
    samples = []
    while not askers.done():
        await asyncio.sleep(scale.seconds / 60)
        samples.append(Sample(asked[0], resident_mb(worker)))
    await askers
    await client.leave()
    left = await sockets_left(worker, before)
    grown = slope(samples[round(len(samples) * WARM_UP) :])
    return Figure(
        "soak",
        f"soak, {scale.seconds / 60:.0f} min mixed",
        "memory slope < 1 MB per 100,000 requests; no socket or connection left",
        f"{grown:+.2f} MB per 100,000 requests, {left} sockets left",
        not left and (grown < SLOPE_LIMIT or asked[0] < JUDGED_FROM),
        f"{asked[0]:,} requests, {samples[0].mb:.0f} MB at first, {samples[-1].mb:.0f} MB at last",
    )


async def keep_asking(client: Client, until: float, asked: list[int], seed: int, pause: float) -> None:
    """One client, request after request; now and then it leaves a stream in the middle."""
    dice = random.Random(seed)
    kinds, weights = zip(*MIX, strict=True)
    while time.monotonic() < until:
        ((model, stream),) = dice.choices(kinds, weights)
        asked[0] += 1
        if stream and dice.random() < 1 / 7:
            await client.ask_and_leave(model, LEAVES_AFTER)
        else:
            await client.ask(model, stream=stream)
        await asyncio.sleep(pause)


def slope(samples: Sequence[Sample]) -> float:
    """MB per 100,000 requests, by least squares; 0 of less than two samples."""
    if len(samples) < 2:
        return 0.0
    x = [sample.requests / 100_000 for sample in samples]
    y = [sample.mb for sample in samples]
    middle_x, middle_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((one - middle_x) ** 2 for one in x)
    return sum((a - middle_x) * (b - middle_y) for a, b in zip(x, y, strict=True)) / spread if spread else 0.0


async def sockets_left(worker: int, before: int) -> int:
    """How many more sockets the worker has than before, once its pooled ones to upstreams have had time to expire."""
    until = time.monotonic() + 60.0
    while (left := open_sockets(worker) - before) > 0 and time.monotonic() < until:
        await asyncio.sleep(QUIET_SECONDS)
    return max(left, 0)


def open_sockets(pid: int) -> int:
    """How many TCP connections a process holds; a pool's to Postgres go over a Unix socket and are not among them."""
    connected = {line.split()[9] for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]}
    found = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found += os.readlink(entry).removeprefix("socket:[").removesuffix("]") in connected
        except OSError:  # closed while we looked
            continue
    return found
