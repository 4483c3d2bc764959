"""Where a worker is in its life: serving, or on its way out with a moment by which streams must have ended."""

from dataclasses import dataclass


@dataclass(slots=True)
class Lifecycle:
    """One per worker process: the server begins the drain, the gateway reads it.

    `drain_ends` is on the event loop's clock: a stream that still runs then is ended with an error frame.
    """

    draining: bool = False
    drain_ends: float | None = None

    def begin_drain(self, notice: float, drain: float, now: float) -> None:
        """Say goodbye: requests are still taken for `notice` seconds, then streams have `drain` seconds more.

        Beginning again changes nothing, so a repeated signal neither shortens nor extends the time.
        """
        if not self.draining:
            self.draining = True
            self.drain_ends = now + notice + drain
