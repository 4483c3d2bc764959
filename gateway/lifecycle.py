"""Where a worker is in its life: serving, or on its way out."""

from dataclasses import dataclass


@dataclass(slots=True)
class Lifecycle:
    """One per worker process: the server begins the drain, the gateway reads it."""

    draining: bool = False

    def begin_drain(self) -> None:
        """Say goodbye: requests are still taken for a while, but no new ones should be sent here."""
        self.draining = True
