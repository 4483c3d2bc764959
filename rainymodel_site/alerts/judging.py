"""Whether counts reach a rule's threshold, and whether a moment lies in its quiet hours. Pure."""

from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from gateway.narrative import dollars


@dataclass(frozen=True, slots=True)
class Counts:
    """`bad` of `counted` things; `what` says what became of the bad ones, as in `requests failed`."""

    counted: int
    bad: int
    what: str


def share_reached(counts: Counts, threshold: Decimal, least: int, minutes: int) -> str:
    """The sentence of a share that reached its threshold (percent); empty when it did not, or for too few."""
    if not counts.counted or counts.counted < least:
        return ""
    share = Decimal(100 * counts.bad) / counts.counted
    if share < threshold:
        return ""
    return (
        f"{share:.1f} % of {counts.counted:,} {counts.what} in the last {minutes} minutes;"
        f" the rule fires from {plain(threshold)} % on"
    )


def spend_reached(spent: Decimal, threshold: Decimal) -> str:
    """The sentence of a day's spend that reached its threshold (US dollars); empty when it did not."""
    if spent < threshold:
        return ""
    told = dollars(round(spent, 2))
    return f"{told} spent today (UTC); the rule fires from {dollars(round(threshold, 2))} on"


def plain(number: Decimal) -> str:
    """10.00 as 10, 2.50 as 2.5."""
    return f"{number:f}".rstrip("0").rstrip(".") if "." in f"{number:f}" else f"{number:f}"


def is_quiet(now: datetime, begin: time | None, end: time | None, zone: ZoneInfo) -> bool:
    """Whether the moment lies in the hours from `begin` until `end`, which may be on the next morning."""
    if begin is None or end is None:
        return False
    here = now.astimezone(zone).time()
    return begin <= here < end if begin < end else here >= begin or here < end
