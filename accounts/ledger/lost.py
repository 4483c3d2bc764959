"""Requests that died with their worker: what they had reserved is booked as used, in the books of every worker.

Nobody knows what such a request used. It may have cost as much as was set aside for it, so that is what counts.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import AsyncConnection

from accounts.ledger.ledger import Reservation
from accounts.ledger.rules import MONEY, SLIDING, bucket_of

Hold = tuple[str, int, int]  # the rule's name, its period or bucket, the amount
SETTLED = MONEY | {"tokens"}  # `requests` count when they are admitted, `running` ends with the worker
NOBODY = "00000000-0000-0000-0000-000000000000"
SETTLE = """
INSERT INTO accounts_use (name, period, lessee, amount)
    SELECT name, period, %s::uuid, sum(amount)
    FROM unnest(%s::text[], %s::bigint[], %s::bigint[]) AS held (name, period, amount)
    GROUP BY name, period ORDER BY name, period
ON CONFLICT (name, period, lessee) DO UPDATE SET amount = accounts_use.amount + excluded.amount
"""


def holds_of(reservations: Iterable[Reservation]) -> list[Hold]:
    """What is still set aside of tokens and money, in a form that outlives this process."""
    return [
        (rule.name, bucket_of(reservation.ledger.now()) if rule.kind in SLIDING else allowance.period, amount)
        for reservation in reservations
        for allowance, amount in reservation.held
        if (rule := allowance.rule).kind in SETTLED
    ]


async def settle_lost(connection: AsyncConnection[Any], holds: Sequence[Hold]) -> None:
    """Book these amounts in the caller's transaction. Raises psycopg.Error.

    A second call books them again: the transaction that makes a request's row is the one that settles it.
    """
    if holds:
        names, periods, amounts = (list(column) for column in zip(*holds, strict=True))
        await connection.execute(SETTLE, (NOBODY, names, periods, amounts))


def worst_cost(holds: Iterable[Hold]) -> int | None:
    """The most that was set aside of money, in billionths of a US dollar; None when no money was."""
    return max((amount for name, _, amount in holds if name.rpartition(":")[2] in MONEY), default=None)
