"""Guessing keys is slow: after 20 bad keys within a minute, an address is told to wait instead of why.

A good key from the same address still opens everything: it is looked up first. Counted per worker.
"""

import ipaddress
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import ClassVar

from gateway.errors import LimitReached

MOST, WINDOW = 20, 60.0  # so many within so many seconds
REMEMBERED = 10_000
SUBSCRIBER = 64  # bits; whoever has one IPv6 address has all of its /64


class TooManyBadKeys(LimitReached):
    """429; trying again with the same key will not help."""

    should_retry: ClassVar[bool] = False


class BadKeys:
    """Counts the bad keys of each address. `total` counts all since the start, refused or not.

    Above `remembered` addresses, the one that was quiet longest is forgotten. `clock` is in seconds.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, most: int = MOST, remembered: int = REMEMBERED
    ) -> None:
        self._clock, self._most, self._remembered = clock, most, remembered
        self._times: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()  # the management API counts from threads
        self.total = 0

    def note(self, address: str) -> None:
        """Count one more. Raises TooManyBadKeys when the address had its share; that one does not prolong the wait."""
        network = network_of(address)
        with self._lock:
            self.total += 1
            now, times = self._clock(), self._times_of(network)
            while times and now - times[0] >= WINDOW:
                times.popleft()
            if len(times) >= self._most:
                raise too_many(self._most, WINDOW - (now - times[0]))
            times.append(now)

    def __len__(self) -> int:
        """How many addresses are remembered."""
        return len(self._times)

    def _times_of(self, network: str) -> deque[float]:
        times = self._times.setdefault(network, deque())
        self._times.move_to_end(network)
        if len(self._times) > self._remembered:
            self._times.popitem(last=False)
        return times


def too_many(most: int, wait: float) -> TooManyBadKeys:
    """The 429, with the seconds after which the next bad key is answered again."""
    return TooManyBadKeys(
        f"Your address sent {most} API keys within a minute that are not valid here. Check the key before you "
        "try again; a valid one works at once.",
        code="too_many_bad_keys",
        retry_after=wait,
    )


def network_of(address: str) -> str:
    """What counts as one address: an IPv4 address, the /64 of an IPv6 address, or one name for all unreadable ones."""
    try:
        client = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    client = getattr(client, "ipv4_mapped", None) or client
    if isinstance(client, ipaddress.IPv4Address):
        return str(client)
    return str(ipaddress.ip_network((int(client), SUBSCRIBER), strict=False))
