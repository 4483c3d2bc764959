"""Catalogue after catalogue is published while streams run: nobody may notice, and every worker has each at once."""

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass

from bench.loads import CannotMeasure, last_line
from bench.reliability.asking import Answer, Client
from bench.reliability.figures import Figure
from bench.reliability.ground import Ground
from rainymodel_site.env import PROJECT

WITHIN = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Scale:
    """How often, and how many streams run meanwhile."""

    publications: int
    streams: int


FULL, SHORT = Scale(200, 300), Scale(10, 20)


async def publishing(ground: Ground, client: Client, scale: Scale) -> Figure:
    """Publish while streams run and a hundred requests a second come in."""
    ended = asyncio.Event()

    async def keep_streaming(begin: float) -> list[Answer]:
        await asyncio.sleep(begin)
        answers = []
        while not ended.is_set():
            answers.append(await client.ask("trial/stream", stream=True))
        return answers

    spread = 4.0 / scale.streams  # a stream takes four seconds
    running = asyncio.gather(*(keep_streaming(number * spread) for number in range(scale.streams)))
    await asyncio.sleep(4.0)
    try:
        times = await asyncio.to_thread(publish, ground, scale.publications)
    finally:
        ended.set()
    failed = [answer for many in await running for answer in many if not answer.good]
    total = sum(map(len, running.result()))
    slowest = max(times)
    never, late = times.count(-1), sum(seconds > WITHIN for seconds in times)
    return Figure(
        "publishing",
        f"{scale.publications} publications while {scale.streams} streams run",
        f"0 failed, every worker within {WITHIN:.0f} s",
        f"{len(failed)} failed, slowest worker {slowest:.2f} s"
        f", median {sorted(times)[len(times) // 2]:.2f} s"
        + (f", {late} too late" if late else "")
        + (f", {never} never arrived" if never else ""),
        not failed and not late and not never,
        f"{total:,} streams, {len(ground.workers())} workers",
    )


def publish(ground: Ground, count: int) -> list[float]:
    """Have it published so often; the seconds each took to arrive. Raises CannotMeasure."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.reliability.publisher", str(count)],
        cwd=PROJECT,
        env=ground.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CannotMeasure(f"Nothing could be published: {last_line(done.stderr)}")
    return [float(seconds) for seconds in json.loads(done.stdout.splitlines()[-1])]
