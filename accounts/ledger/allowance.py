"""One rule in one worker: what of its lease is free, what is reserved, what was used."""

from dataclasses import dataclass, field

from accounts.ledger.rules import BUCKETS_PER_SECOND, SLIDING, WINDOW, Rule, bucket_of

IDLE_REPORTS = 4  # a lease that nobody took from between so many reports goes back
SMALL = 16  # of a limit below this nothing is kept for later, as each single one may be missed elsewhere
SHARE = 16  # a worker leases at most this part of a limit ahead of need
FORGOTTEN_AFTER = int((WINDOW + 2) * BUCKETS_PER_SECOND)


@dataclass(slots=True)
class Allowance:
    """`free` and `reserved` together are leased. `used` holds absolute totals of this worker by period or bucket;
    `reported` what Postgres is known to have of them; `room` what nobody had leased or used at the last report.
    """

    rule: Rule
    period: int
    free: int = 0
    reserved: int = 0
    room: int = 0
    used: dict[int, int] = field(default_factory=dict)
    reported: dict[int, int] = field(default_factory=dict)
    idle: int = 0
    retry_after: float = 0.0

    @property
    def remaining(self) -> int:
        """How much may still be used, as far as this worker knows."""
        return max(0, self.room + self.free)

    def lacks(self, amount: int) -> bool:
        """Whether a lease is needed first; nothing is always at hand, also for who owes."""
        return amount > 0 and self.free < amount

    def take_over(self, rule: Rule) -> None:
        """The same rule, perhaps with another limit; of a lease under a higher one nothing is left."""
        self.room += rule.limit - self.rule.limit
        if rule.limit < self.rule.limit:
            self.free = min(self.free, 0)
        self.rule = rule

    def reserve(self, amount: int) -> None:
        """Set aside; more than is free makes a debt, which the next report tells."""
        self.free -= amount
        self.reserved += amount
        self.idle = 0

    def settle(self, amount: int, used: int, now: float) -> None:
        """Of a reserved amount so much was used; the rest is free again."""
        self.reserved -= amount
        self.free += amount
        if self.rule.kind == "running":
            return
        self.free -= used
        if used:
            place = bucket_of(now) if self.rule.kind in SLIDING else self.period
            self.used[place] = self.used.get(place, 0) + used

    def used_since(self, now: float) -> int:
        """What this worker used of a sliding kind in the last minute."""
        begin = bucket_of(now - WINDOW)
        return sum(amount for bucket, amount in self.used.items() if bucket >= begin)

    def give_back(self) -> None:
        """Before a report: debts are told by it, and what lies idle goes back."""
        self.idle += 1
        patience = 0 if self.rule.limit < SMALL else IDLE_REPORTS
        if self.idle > patience or self.free < 0:
            self.free = 0

    def ahead(self) -> int:
        """How much to lease beyond the need, while there is plenty."""
        return self.rule.limit // SHARE

    def unreported(self) -> dict[int, int]:
        """The totals that Postgres does not have yet."""
        return {place: total for place, total in self.used.items() if self.reported.get(place) != total}

    def forget(self, now: float) -> None:
        """Drop buckets that no window reaches any more."""
        if self.rule.kind not in SLIDING:
            return
        horizon = bucket_of(now) - FORGOTTEN_AFTER
        for bucket in [bucket for bucket in self.used if bucket < horizon and bucket in self.reported]:
            del self.used[bucket], self.reported[bucket]

    def begin_again(self) -> None:
        """The others took this worker for dead and keep its reported uses: only the rest is still to be told."""
        for place, total in self.reported.items():
            self.used[place] = self.used.get(place, 0) - total
        self.used = {place: total for place, total in self.used.items() if total}
        self.reported.clear()
        self.free = 0
