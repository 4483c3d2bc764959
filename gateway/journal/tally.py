"""Requests counted by the minute of their id, apart from the rows that are written about them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from gateway.uuid7 import EPOCH, id_floor, time_of

MINUTE = timedelta(minutes=1)
REMEMBERED = 3_000  # minutes: a clock that steps back by less than two days finds its counts again
NOTHING = (0, 0, 0)
Numbers = tuple[int, int, int]


@dataclass(slots=True, eq=False)
class Minute:
    """Absolute counts of this worker. `pending` requests run, or have a row that is not written yet."""

    begins: datetime
    admitted: int = 0
    discarded: int = 0
    pending: int = 0
    told: Numbers = NOTHING

    @property
    def numbers(self) -> Numbers:
        """Admitted, discarded, pending."""
        return self.admitted, self.discarded, self.pending


@dataclass(frozen=True, slots=True)
class Count:
    """What the database is told of one minute of one worker."""

    worker: str
    minute: datetime
    admitted: int
    discarded: int
    pending: int


class Tally:
    """This worker's minutes. A change is told with the next batch of rows, in the same transaction."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._low = self._high = ""
        self._minute = Minute(EPOCH)
        self._changing: dict[datetime, Minute] = {}
        self._quiet: dict[datetime, Minute] = {}

    def admit(self, id: str) -> Minute:
        """Count a request; its minute, which must be told of its end."""
        if not self._low <= id < self._high:
            self._turn_to(id)
        minute = self._minute
        minute.admitted += 1
        minute.pending += 1
        return minute

    @property
    def is_told(self) -> bool:
        """Whether the database has every count."""
        return all(minute.numbers == minute.told for minute in self._changing.values())

    def untold(self, ending: Iterable[Minute] = ()) -> dict[Minute, Numbers]:
        """What is to be told, as it is once so many pending requests (one for each mention) have their rows."""
        told = {each: each.numbers for each in self._changing.values() if each.numbers != each.told}
        for minute in ending:
            admitted, discarded, pending = told.get(minute) or minute.numbers
            told[minute] = (admitted, discarded, pending - 1)
        return told

    def counts(self, numbers: dict[Minute, Numbers]) -> list[Count]:
        """The same as rows for the database."""
        return [Count(self._worker, minute.begins, *each) for minute, each in numbers.items()]

    def note_told(self, numbers: dict[Minute, Numbers]) -> None:
        """The database has these; minutes in which nothing is left to happen are put away."""
        for minute, each in numbers.items():
            minute.told = each
            if minute is not self._minute:
                self._put_away(minute)

    def _put_away(self, minute: Minute) -> None:
        """Keep a minute in which nothing is left to happen out of what is looked at for every batch."""
        if not minute.pending and minute.numbers == minute.told:
            self._quiet[minute.begins] = self._changing.pop(minute.begins, minute)
        while len(self._quiet) > REMEMBERED:
            del self._quiet[next(iter(self._quiet))]

    def _turn_to(self, id: str) -> None:
        begins = minute_of(id)
        self._put_away(self._minute)
        self._low, self._high = str(id_floor(begins)), str(id_floor(begins + MINUTE))
        known = self._changing.get(begins) or self._quiet.pop(begins, None) or Minute(begins)
        self._minute = self._changing[begins] = known


def minute_of(id: str) -> datetime:
    """The minute in which an id was made."""
    return time_of(UUID(id)).replace(second=0, microsecond=0)
