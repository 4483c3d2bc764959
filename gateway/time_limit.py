"""A time limit for a block, as `asyncio.timeout` is one, at a fifth of its price: a request passes through several."""

import asyncio
from types import TracebackType
from typing import Self

RESOLUTION = 0.001  # seconds; the loop's timers may ring so much early


class TimeLimit:
    """`with TimeLimit(seconds):` inside a task; the block is cancelled when its time is over, and TimeoutError raised.

    A cancellation that came from elsewhere stays one. The limit may be moved while the block runs.
    """

    __slots__ = ("_before", "_handle", "_is_over", "_loop", "_rings", "_seconds", "_task", "_when")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._is_over = False

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        assert task is not None
        self._task, self._loop = task, task.get_loop()
        self._before = task.cancelling()
        seconds = max(0.0, self._seconds)
        self._rings = self._when = self._loop.time() + seconds
        self._handle = self._loop.call_later(seconds, self._ring)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._handle.cancel()
        if self._is_over and self._task.uncancel() <= self._before and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def reschedule(self, when: float) -> None:
        """Let it end at this moment of the loop's clock."""
        self._when = when
        if when < self._rings and not self._is_over:  # a later end is looked at when the timer rings
            self._handle.cancel()
            self._wait()

    def _wait(self) -> None:
        self._rings = self._when
        self._handle = self._loop.call_at(self._when, self._ring)

    def _ring(self) -> None:
        if self._loop.time() < self._when - RESOLUTION:
            self._wait()
        else:
            self._is_over = True
            self._task.cancel()
