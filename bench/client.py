"""The load generator: `python -m bench.client LOAD` prints what came back, as JSON.

Bare sockets and the least of HTTP that works, so that it costs a small part of what it measures. Of the process that it
watches it reads the CPU time in the same instant as its own counters.
"""

import asyncio
import gc
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import cast

import uvloop

from bench.loads import Load, Result
from bench.measure import cpu_seconds, percentile

CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
OK = b"HTTP/1.1 200 "
EVENT, DONE, END = b"data: {", b"[DONE]", b"0\r\n\r\n"
KEPT = len(EVENT) - 1  # of each piece: an event's beginning may be cut in two
SECONDS_TO_FINISH = 15.0


class Caller(asyncio.Protocol):
    """One connection that is kept; `on_answer` hears of each whole answer and how long it took."""

    def __init__(self, request: bytes, on_answer: Callable[["Caller", float, bool], None]) -> None:
        self._request, self._on_answer = request, on_answer
        self._received = b""
        self._length = 0
        self._sent = 0.0
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def send(self) -> None:
        """Ask once."""
        self._received, self._length = b"", 0
        self._sent = time.perf_counter()
        self._transport.write(self._request)

    def close(self) -> None:
        """Leave; nothing is owed any more."""
        self._sent = 0.0
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        if not self._length:
            self._length = whole_length(self._received)
        if self._length and len(self._received) >= self._length:
            seconds, self._sent = time.perf_counter() - self._sent, 0.0
            self._on_answer(self, seconds, self._received.startswith(OK))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._sent:
            self._on_answer(self, 0.0, False)


class Stream(asyncio.Protocol):
    """One event stream; `on_events` hears of what arrives, `ended` becomes True when all of it was there."""

    def __init__(self, request: bytes, events: int, on_events: Callable[[int], None]) -> None:
        self._request, self._expected, self._on_events = request, events, on_events
        self._tail = b""
        self._events = 0
        self._good = self._done = False
        self._transport: asyncio.WriteTransport
        self.ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._tail:
            self._good = data.startswith(OK)
        text = self._tail + data
        self._tail = text[-KEPT:]
        count = text.count(EVENT)
        if count:
            self._events += count
            self._on_events(count)
        self._done = self._done or DONE in text
        if text.endswith(END) or not self._good:  # what is no stream has no such end
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        whole = self._good and self._done and self._events == self._expected
        if not self.ended.done():
            self.ended.set_result(whole)


class Tally:
    """Counters of a load, and of its window once it is open."""

    def __init__(self, load: Load) -> None:
        self._watched = load.watched
        self.answered = [0] * len(load.targets)
        self.failed = 0
        self.units = 0
        self.milliseconds: list[list[float]] = [[] for _ in load.targets]
        self._at = self._cpu = 0.0

    def answer(self, target: int, seconds: float, good: bool) -> None:
        """One answer of a target."""
        if good:
            self.answered[target] += 1
            self.units += 1
            self.milliseconds[target].append(seconds * 1000)
        else:
            self.failed += 1

    def count(self, units: int) -> None:
        """Something arrived."""
        self.units += units

    def open_window(self) -> None:
        """What came before was to warm up."""
        self.units = 0
        self.milliseconds = [[] for _ in self.milliseconds]
        self._at, self._cpu = time.perf_counter(), cpu_seconds(self._watched)

    def close_window(self) -> Callable[[], Result]:
        """The result, to be asked for when the counts of the whole load are complete."""
        seconds, cpu = time.perf_counter() - self._at, cpu_seconds(self._watched) - self._cpu
        units = self.units
        p50, p99 = ([percentile(values, share) for values in self.milliseconds] for share in (0.5, 0.99))
        return lambda: Result(self.answered, self.failed, units, seconds, cpu, p50, p99)


async def play_answers(load: Load, tally: Tally) -> Result:
    """Every connection asks again as soon as it is answered."""
    stopping, open_callers = asyncio.Event(), set[Caller]()
    nobody_left = asyncio.Event()

    def on_answer(caller: Caller, seconds: float, good: bool) -> None:
        tally.answer(0, seconds, good)
        if good and not stopping.is_set():
            caller.send()
            return
        open_callers.discard(caller)
        caller.close()
        if not open_callers:
            nobody_left.set()

    for _ in range(load.connections):
        open_callers.add(await connect(load.targets[0], on_answer))
    for caller in tuple(open_callers):
        caller.send()
    result = await measured(load, tally)
    stopping.set()
    await asyncio.wait_for(nobody_left.wait(), SECONDS_TO_FINISH)
    return result()


async def play_turns(load: Load, tally: Tally) -> Result:
    """One request at a time, to each target in turn, so that whatever disturbs one disturbs all."""
    arrived: asyncio.Queue[tuple[float, bool]] = asyncio.Queue()
    callers = [
        await connect(target, lambda _, *answer: arrived.put_nowait(answer)) for target in load.targets
    ]
    stopping = asyncio.Event()

    async def take_turns() -> None:
        while not stopping.is_set():
            for target, caller in enumerate(callers):
                caller.send()
                tally.answer(target, *await arrived.get())

    turns = asyncio.ensure_future(take_turns())
    result = await measured(load, tally)
    stopping.set()
    await asyncio.wait_for(turns, SECONDS_TO_FINISH)
    for caller in callers:
        caller.close()
    return result()


async def play_streams(load: Load, tally: Tally) -> Result:
    """Streams that open one after the other while it warms up, so that their events do not come in step."""
    port, request = load.targets[0]
    pause = load.warm_up * 2 / 3 / load.connections
    loop = asyncio.get_running_loop()

    async def play_one(number: int) -> None:
        await asyncio.sleep(number * pause)
        _, stream = await loop.create_connection(
            lambda: Stream(request.encode(), load.events, tally.count), "127.0.0.1", port
        )
        if await stream.ended:
            tally.answered[0] += 1
        else:
            tally.failed += 1

    streams = asyncio.gather(*(play_one(number) for number in range(load.connections)))
    result = await measured(load, tally)
    await asyncio.wait_for(streams, load.warm_up + SECONDS_TO_FINISH)
    return result()


async def measured(load: Load, tally: Tally) -> Callable[[], Result]:
    """Let the load run through its window."""
    await asyncio.sleep(load.warm_up)
    tally.open_window()
    await asyncio.sleep(load.seconds)
    return tally.close_window()


async def connect(target: tuple[int, str], on_answer: Callable[[Caller, float, bool], None]) -> Caller:
    """A kept connection to a target, idle so far."""
    port, request = target
    loop = asyncio.get_running_loop()
    _, caller = await loop.create_connection(lambda: Caller(request.encode(), on_answer), "127.0.0.1", port)
    return caller


def whole_length(received: bytes) -> int:
    """How long an answer and its head will be; 0 while the head is not complete. Raises where no length is given."""
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return 0
    found = CONTENT_LENGTH.search(received, 0, end)
    if found is None:
        raise ValueError("an answer came without a length")
    return end + 4 + int(found[1])


PLAYS = {"answers": play_answers, "turns": play_turns, "streams": play_streams}


def main(arguments: Sequence[str]) -> None:
    """Play one load."""
    load = Load(**json.loads(arguments[0]))
    gc.disable()  # short-lived, and a collection would show up as somebody else's latency
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(PLAYS[load.kind](load, Tally(load)))
    print(json.dumps(asdict(result)))


if __name__ == "__main__":
    main(sys.argv[1:])
