"""The ledger's questions to Postgres; the arithmetic under lock is in the function `accounts_ledger_sync`."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool

from accounts.ledger.allowance import Allowance
from accounts.ledger.rules import SLIDING

REGISTER = "INSERT INTO accounts_lessee (id) VALUES (%s)"
SYNC = "SELECT accounts_ledger_sync(%s, %s)"
BURY = "SELECT accounts_ledger_bury(%s)"


@dataclass(frozen=True, slots=True)
class Ask:
    """What one allowance reports, and what it would like: `need` at least, `extra` while there is plenty.

    `single` is what the largest of the waiting requests lacks: where there is less, the wait is until it fits.
    """

    allowance: Allowance
    outstanding: int
    use: dict[int, int]
    need: int
    extra: int
    single: int

    def document(self) -> dict[str, Any]:
        """As the function reads it."""
        rule = self.allowance.rule
        return {
            "name": rule.name,
            "period": self.allowance.period,
            "sliding": rule.kind in SLIDING,
            "limit": rule.limit,
            "outstanding": self.outstanding,
            "use": [[place, total] for place, total in self.use.items()],
            "need": self.need,
            "extra": self.extra,
            "single": self.single,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """What Postgres says: its clock (seconds since 1970), how many workers there are, and per ask what was given,
    what room is left, and after how many seconds a sliding window has room again.
    """

    now: float
    workers: int
    grants: list[tuple[int, int, float]]


async def sync(pool: AsyncConnectionPool, lessee: UUID, asks: list[Ask]) -> Answer | None:
    """Report and take, in one transaction. None: this worker was taken for dead. Raises psycopg.Error, OSError."""
    documents = [ask.document() for ask in asks]
    async with pool.connection(timeout=2) as connection:
        cursor = await connection.execute(SYNC, (lessee, Jsonb(documents)))
        row = await cursor.fetchone()
    if row is None or row[0] is None:
        return None
    said = row[0]
    grants = [(given, room, wait) for given, room, wait in said["grants"]]
    return Answer(said["now"], said["workers"], grants)


async def register(pool: AsyncConnectionPool, lessee: UUID) -> None:
    """Make this worker known."""
    async with pool.connection(timeout=2) as connection:
        await connection.execute(REGISTER, (lessee,))


async def bury(pool: AsyncConnectionPool, lessee: UUID | None = None) -> None:
    """Return the leases of workers that are silent, or of this one; what they used stays used."""
    async with pool.connection(timeout=2) as connection:
        await connection.execute(BURY, (lessee,))
