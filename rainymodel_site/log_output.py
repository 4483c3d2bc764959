"""Standard error, written by a thread of its own: whoever logs never waits for whoever reads.

A reader that stops reading (a full pipe, a stuck log collector) costs lines, which are counted, and nothing else.
"""

import logging
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

MOST_BYTES = 8 * 1024 * 1024  # that may wait for a slow reader
LAST_SECONDS = 1.0  # for what still waits when the process ends


class Output:
    """Takes bytes from any thread at once and writes them in order, to standard error unless a file is named.

    `dropped` counts the lines there was no room for; `tell` is called with their number once there is room again.
    """

    def __init__(
        self,
        descriptor: int | None = None,
        most_bytes: int = MOST_BYTES,
        tell: Callable[[int], object] = lambda lines: None,
    ) -> None:
        self.dropped = 0
        self._descriptor, self._most_bytes, self._tell = descriptor, most_bytes, tell
        self._waiting: deque[bytes] = deque()
        self._bytes = 0  # that wait, or are being written
        self._untold = 0
        self._lock = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None

    def put(self, lines: bytes) -> None:
        """Whole lines; left out and counted when too much waits already."""
        with self._lock:
            if self._bytes + len(lines) > self._most_bytes:
                left_out = lines.count(b"\n")
                self.dropped += left_out
                self._untold += left_out
                return
            self._waiting.append(lines)
            self._bytes += len(lines)
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_on, name="log output", daemon=True)
                self._thread.start()
            self._lock.notify_all()

    def flush(self, within: float = LAST_SECONDS) -> bool:
        """Wait until everything is written, at most so long; False when the reader did not take it all."""
        deadline = time.monotonic() + within
        with self._lock:
            while self._bytes:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._lock.wait(left)
        return True

    def _write_on(self) -> None:
        while True:
            with self._lock:
                while not self._waiting:
                    self._lock.wait()
                lines = self._waiting.popleft()
                untold, self._untold = self._untold, 0
            self._write(lines)
            with self._lock:
                self._bytes -= len(lines)
                self._lock.notify_all()
            if untold:
                self._tell(untold)

    def _write(self, lines: bytes) -> None:
        """Not through sys.stderr: a thread that is stuck in its lock would break the interpreter's end."""
        try:
            descriptor = self._descriptor
            if descriptor is None:
                descriptor = sys.__stderr__.fileno()  # type: ignore[union-attr]
            while lines:
                try:
                    lines = lines[os.write(descriptor, lines) :]
                except BlockingIOError:  # somebody else made the pipe non-blocking
                    select.select([], [descriptor], [], 1.0)
        except (OSError, ValueError, AttributeError):
            return  # nobody reads it any more, or there is no such file


def tell_left_out(lines: int) -> None:
    """Say how much is missing, in the form of every other line."""
    logging.getLogger("rainymodel_site.logs").warning("%d log lines were left out: nobody read them", lines)


STANDARD_ERROR = Output(tell=tell_left_out)


class OutputHandler(logging.Handler):
    """Formats a record where it is made, and leaves the writing to STANDARD_ERROR."""

    def emit(self, record: logging.LogRecord) -> None:
        """Never waits."""
        try:
            STANDARD_ERROR.put(f"{self.format(record)}\n".encode(errors="backslashreplace"))
        except Exception:  # as the library's own handlers do
            self.handleError(record)

    def flush(self) -> None:
        """Called by logging.shutdown at the end of the process."""
        STANDARD_ERROR.flush()
