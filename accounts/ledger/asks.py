"""What an allowance asks Postgres for."""

from dataclasses import dataclass

from accounts.ledger.allowance import Allowance
from accounts.ledger.postgres import Ask


@dataclass(frozen=True, slots=True)
class Need:
    """What waiting requests need of one rule: together, and the largest of them alone."""

    amount: int = 0
    largest: int = 0

    def and_also(self, amount: int) -> "Need":
        """With one request more."""
        return Need(self.amount + amount, max(self.largest, amount))


NOTHING = Need()


def ask_of(allowance: Allowance, need: Need, *, keep: bool) -> Ask:
    """What an allowance reports, and asks for so that what is needed is free.

    `keep`: an idle lease stays, as it could not be had again while Postgres is away.
    """
    if not need.amount and not keep:
        allowance.give_back()
    allowance.free = max(0, allowance.free)
    lacking = max(0, min(need.amount, allowance.rule.limit) - allowance.free)
    return Ask(
        allowance,
        outstanding=allowance.free + allowance.reserved,
        use=allowance.unreported(),
        need=lacking,
        extra=allowance.ahead() if lacking else 0,
        single=max(0, need.largest - allowance.free),
    )
