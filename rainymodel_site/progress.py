"""One line per step of a start, with the time it took."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


class Progress:
    """Writes what is being done and, once done, how long it took."""

    def __init__(self, output: TextIO = sys.stdout, clock: Callable[[], float] = time.monotonic) -> None:
        self._output, self._clock = output, clock

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Show `what` while the block runs; an error leaves the line ended, so that its message stands alone."""
        self._write(f"  {what} … ")
        began = self._clock()
        try:
            yield
        except BaseException:
            self._write("\n")
            raise
        self._write(f"{self._clock() - began:.1f} s\n")

    def note(self, text: str) -> None:
        """A line of its own."""
        self._write(f"  {text}\n")

    def _write(self, text: str) -> None:
        self._output.write(text)
        self._output.flush()
