"""UUIDv7: the request's id, its place in time, and the bound of its partition, in one number.

48 bits of milliseconds, 12 bits that count within one millisecond, 62 random bits. An id is a name, not a
secret: nothing is granted to who knows one, so the ordinary generator is random enough.
"""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
COUNTER_BITS = 12
BELIEVED_STEP_BACK_MS = 10_000


class IdMaker:
    """Makes ids that only grow within this process, also while the clock stands still or steps back a little.

    A clock that steps back by more than ten seconds had been wrong before, and is believed.
    """

    __slots__ = ("_clock", "_draw", "_last")

    def __init__(
        self, clock: Callable[[], float] = time.time, draw: Callable[[int], int] = random.getrandbits
    ) -> None:
        self._clock, self._draw = clock, draw
        self._last = 0

    def new_id(self) -> str:
        """The next id as canonical text."""
        tick = self._next_tick(int(self._clock() * 1000))
        low = self._draw(62) | 1 << 63
        return (
            f"{tick >> 28:08x}-{tick >> 12 & 0xFFFF:04x}-7{tick & 0xFFF:03x}"
            f"-{low >> 48:04x}-{low & 0xFFFFFFFFFFFF:012x}"
        )

    def _next_tick(self, now_ms: int) -> int:
        """Milliseconds and counter as one number above the last; a full counter runs on into the time."""
        tick = now_ms << COUNTER_BITS | self._draw(COUNTER_BITS - 1)
        if tick <= self._last < tick + (BELIEVED_STEP_BACK_MS << COUNTER_BITS):
            tick = self._last + 1
        self._last = tick
        return tick


new_id = IdMaker().new_id


def id_floor(moment: datetime) -> UUID:
    """The smallest id of that instant: ids made from then on are not below it."""
    milliseconds = (moment - EPOCH) // MILLISECOND
    return UUID(int=milliseconds << 80 | 7 << 76 | 1 << 63)


def time_of(id: UUID) -> datetime:
    """When the id was made, to the millisecond."""
    return EPOCH + (id.int >> 80) * MILLISECOND
