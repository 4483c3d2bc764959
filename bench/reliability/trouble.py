"""What is done to a running gateway from outside: its workers are told to stop or killed, its Postgres is frozen."""

import asyncio
import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from bench.measure import children
from bench.reliability.ground import Ground


@dataclass(frozen=True, slots=True)
class Every:
    """How often each trouble comes, and how long Postgres stays frozen; in seconds."""

    term: float
    kill: float
    freeze: float
    frozen: float


FULL, SHORT = Every(20, 60, 90, 5), Every(4, 6, 5, 1)


@dataclass(slots=True)
class Done:
    """How often it was done."""

    terms: int = 0
    kills: int = 0
    freezes: int = 0


async def trouble(ground: Ground, every: Every, done: Done, seed: int = 1) -> None:
    """Make trouble until cancelled."""
    dice = random.Random(seed)
    async with asyncio.TaskGroup() as group:
        group.create_task(signal_workers(ground, every.term, signal.SIGTERM, done, dice))
        group.create_task(signal_workers(ground, every.kill, signal.SIGKILL, done, dice))
        group.create_task(freeze_again_and_again(ground, every, done))


async def signal_workers(
    ground: Ground, every: float, number: signal.Signals, done: Done, dice: random.Random
) -> None:
    """Send some worker this signal, again and again."""
    while True:
        await asyncio.sleep(every)
        if workers := ground.workers():
            with suppress(ProcessLookupError):
                os.kill(dice.choice(workers), number)
            done.terms += number == signal.SIGTERM
            done.kills += number == signal.SIGKILL


async def freeze_again_and_again(ground: Ground, every: Every, done: Done) -> None:
    """Stop every process of Postgres for a while, again and again; they always go on, however this ends."""
    while True:
        await asyncio.sleep(every.freeze)
        with frozen(ground.postgres_pid()):
            await asyncio.sleep(every.frozen)
        done.freezes += 1


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process and its children do nothing within the block."""
    family = [pid, *children(pid)]
    for each in family:
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in family:
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)
