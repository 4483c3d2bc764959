"""What can be limited. Amounts are whole numbers: requests, tokens, requests at once, billionths of a US dollar."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Literal

Kind = Literal["requests", "tokens", "running", "day", "month"]
WINDOW = 60.0  # seconds of the two sliding kinds
BUCKETS_PER_SECOND = 4
KINDS = frozenset({"requests", "tokens", "running", "day", "month"})
SLIDING = frozenset({"requests", "tokens"})
MONEY = frozenset({"day", "month"})
NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit of one holder, e.g. `key:1b9c…` may spend so much a day.

    `requests` and `tokens` are per any 60 seconds, `running` is at once, `day` and `month` are money by the calendar
    (UTC). `holder` is how a refusal calls it: `API key`, `account`, …
    """

    subject: str
    kind: Kind
    limit: int
    holder: str = "API key"
    name: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """The name by which Postgres knows it, made once."""
        object.__setattr__(self, "name", f"{self.subject}:{self.kind}")


def period_of(kind: Kind, now: float) -> int:
    """The calendar period at `now` (seconds since 1970): days or months since then; 0 for the other kinds."""
    if kind == "day":
        return int(now // 86_400)
    if kind == "month":
        today = datetime.fromtimestamp(now, UTC)
        return (today.year - 1970) * 12 + today.month - 1
    return 0


class Calendar:
    """`period_of` for money, computed anew once a day only."""

    __slots__ = ("_begins", "_ends", "_periods")

    def __init__(self) -> None:
        self._begins = self._ends = 0.0
        self._periods = {"day": 0, "month": 0}

    def period(self, kind: Kind, now: float) -> int:
        """The calendar period at `now`, seconds since 1970."""
        if not self._begins <= now < self._ends:
            day = period_of("day", now)
            self._begins, self._ends = day * 86_400.0, (day + 1) * 86_400.0
            self._periods = {"day": day, "month": period_of("month", now)}
        return self._periods[kind]


def bucket_of(now: float) -> int:
    """The quarter of a second that a use of a sliding kind counts in."""
    return int(now * BUCKETS_PER_SECOND)


def period_ends(kind: Kind, period: int) -> datetime:
    """When a calendar period is over."""
    if kind == "day":
        return datetime.fromtimestamp((period + 1) * 86_400, UTC)
    return datetime(1970 + (period + 1) // 12, (period + 1) % 12 + 1, 1, tzinfo=UTC)


def nano(usd: Decimal) -> int:
    """US dollars as whole billionths, rounded up."""
    return int((usd * NANO).to_integral_value(ROUND_CEILING))


def dollars(amount: int) -> str:
    """Billionths as people read money: `1.25 USD`, with more decimals only where they say something."""
    value = Decimal(amount) / NANO
    text = f"{value:.6f}".rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(2, '0')} USD"
