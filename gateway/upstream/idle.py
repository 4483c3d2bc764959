"""Notices silence inside an answer, at the price of one timer for each stream instead of one for each read."""

import asyncio
from collections.abc import Callable


class IdleWatch:
    """Calls `on_idle` once when `touch` was not called for `limit` seconds."""

    __slots__ = ("_handle", "_last", "_limit", "_loop", "_on_idle", "fired")

    def __init__(self, limit: float, on_idle: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._limit, self._on_idle = limit, on_idle
        self._last = self._loop.time()
        self._handle = self._loop.call_later(limit, self._look)
        self.fired = False

    def touch(self) -> None:
        """Something arrived."""
        self._last = self._loop.time()

    def stop(self) -> None:
        """Watch no longer."""
        self._handle.cancel()

    def _look(self) -> None:
        left = self._last + self._limit - self._loop.time()
        if left > 0:
            self._handle = self._loop.call_later(left, self._look)
        else:
            self.fired = True
            self._on_idle()
