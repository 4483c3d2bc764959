"""Where a worker is in its life: serving, or on its way out; and how its event loop does."""

from dataclasses import dataclass


@dataclass(slots=True)
class Lifecycle:
    """One per worker process: the server begins the drain and counts stalls, the gateway reads them.

    `stalls` counts the times the event loop stood still, `longest_stall` is the longest in seconds. `is_full` while no
    connection is accepted for want of file descriptors; `times_full` counts how often that began.
    """

    draining: bool = False
    stalls: int = 0
    longest_stall: float = 0.0
    is_full: bool = False
    times_full: int = 0

    def begin_drain(self) -> None:
        """Say goodbye: requests are still taken for a while, but no new ones should be sent here."""
        self.draining = True

    def stalled(self, seconds: float) -> None:
        """The event loop stood still for so long."""
        self.stalls += 1
        self.longest_stall = max(self.longest_stall, seconds)
