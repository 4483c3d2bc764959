"""Notices silence inside an answer, at the price of one timer for each stream instead of one for each read."""

import asyncio
import math
from collections.abc import Callable


class IdleWatch:
    """Calls `on_idle` once when somebody has waited for `limit` seconds; time between waits does not count.

    Within `total` seconds the waiting ends in any case.
    """

    __slots__ = ("_end", "_handle", "_limit", "_loop", "_on_idle", "_waiting_since", "fired")

    def __init__(self, limit: float, on_idle: Callable[[], object], total: float = math.inf) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit, self._on_idle = limit, on_idle
        self._waiting_since: float | None = None
        self._end = self._loop.time() + total
        self._handle = self._loop.call_later(min(limit, total), self._look)
        self.fired = False

    def wait_begins(self) -> None:
        """From now on silence counts."""
        self._waiting_since = self._loop.time()

    def wait_ends(self) -> None:
        """Something arrived; a client that reads slowly is not the upstream's silence."""
        self._waiting_since = None

    def end_within(self, seconds: float) -> None:
        """The rest may take no longer than this, whatever still arrives."""
        self._limit, self._end = min(self._limit, seconds), min(self._end, self._loop.time() + seconds)
        self._handle.cancel()
        self._look()

    def stop(self) -> None:
        """Watch no longer."""
        self._handle.cancel()

    def _look(self) -> None:
        since = self._waiting_since
        left = self._limit if since is None else min(since + self._limit, self._end) - self._loop.time()
        if left > 0:
            self._handle = self._loop.call_later(left, self._look)
        else:
            self.fired = True
            self._on_idle()
