"""A thread that notices when the event loop stands still, says where, and ends a worker that does not come back.

The loop leaves a mark every tenth of a second; the thread looks at it. Nothing of this is on a request's path. What
blocks inside C code without letting other threads run (a regular expression, say) is told when it is over; when it
never is, faulthandler's own timer, which needs no Python, ends the process.
"""

import asyncio
import faulthandler
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from gateway.lifecycle import Lifecycle

log = structlog.get_logger("gateway.watchdog")
BEAT = 0.1  # seconds between the loop's marks, and between looks
LATE = 0.25  # a loop that is later than this is told
QUIET_SECONDS = 10.0  # at most one stack in such a time
LAST_RESORT = 3  # times the limit, for a process in which not even this thread runs
STALLED = 70  # the exit code of a worker whose loop did not come back


class Watchdog:
    """Watches the loop that `beat` runs on. `limit` seconds without a mark end the process, 0 never does.

    `last_words` is called before the end, to write what the log still holds.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        limit: float,
        last_words: Callable[[], object] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lifecycle, self._limit, self._last_words, self._clock = lifecycle, limit, last_words, clock
        self._watched = threading.get_ident()
        self._marked = clock()
        self._stack_told_at = self._slow_told_at = self._armed_at = float("-inf")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the running loop, on the thread that calls this, while the block lasts."""
        beat = asyncio.ensure_future(self._beat())
        self._arm_last_resort()
        self._thread.start()
        try:
            yield
        finally:
            beat.cancel()
            self._stop.set()
            self._thread.join(1.0)
            faulthandler.cancel_dump_traceback_later()

    async def _beat(self) -> None:
        while True:
            before = self._marked = self._clock()
            await asyncio.sleep(BEAT)
            late = self._clock() - before - BEAT
            if late > LATE:
                self._lifecycle.stalled(late)
                self._tell_end(late)

    def _tell_end(self, late: float) -> None:
        if self._clock() - self._slow_told_at >= QUIET_SECONDS:
            self._slow_told_at = self._clock()
            log.warning("the event loop stood still", seconds=round(late, 3), stalls=self._lifecycle.stalls)

    def _watch(self) -> None:
        """Until stopped. A process that was suspended as a whole is not blamed: only time seen to pass counts."""
        seen, before, marked = 0.0, self._clock(), self._marked
        while not self._stop.wait(BEAT):
            now = self._clock()
            if self._marked != marked:
                seen, marked = 0.0, self._marked
                self._arm_last_resort()
            seen += min(now - before, 2 * BEAT)
            before = now
            if seen > LATE + BEAT and now - self._stack_told_at >= QUIET_SECONDS:
                self._stack_told_at = now
                log.warning("the event loop stands still", where=self._stack())
            if 0 < self._limit <= seen:
                self._end(seen)

    def _arm_last_resort(self) -> None:
        if self._limit > 0 and self._clock() - self._armed_at >= min(1.0, self._limit):
            self._armed_at = self._clock()
            faulthandler.dump_traceback_later(self._limit * LAST_RESORT, exit=True)

    def _stack(self) -> list[str]:
        """Where the loop's thread is, outermost first: places only, no values."""
        frame = sys._current_frames().get(self._watched)
        summary = traceback.extract_stack(frame) if frame else []
        return [f"{entry.filename}:{entry.lineno} {entry.name}" for entry in summary]

    def _end(self, seen: float) -> None:
        self._lifecycle.begin_drain()
        log.critical(
            "the event loop does not come back; this worker ends", seconds=round(seen, 1), where=self._stack()
        )
        self._last_words()
        os._exit(STALLED)
