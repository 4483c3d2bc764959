"""What all callers together may spend: on an alias, in a tier, in all paid tiers."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from accounts.caller import Allowed
from accounts.ledger.rules import Rule
from accounts.limits import rules_for

QUERY = "SELECT scope, name, usd_per_day, usd_per_month FROM accounts_ceiling"
PAID = "paid"


@dataclass(frozen=True, slots=True)
class Ceilings:
    """The rules of the ceilings in force."""

    aliases: Mapping[str, tuple[Rule, ...]]
    tiers: Mapping[str, tuple[Rule, ...]]
    paid: tuple[Rule, ...] = ()

    def for_alias(self, name: str) -> tuple[Rule, ...]:
        """The alias's own."""
        return self.aliases.get(name, ())

    def for_tier(self, slug: str, billing: str) -> tuple[Rule, ...]:
        """The tier's own, and for a paid tier that of all paid tiers."""
        return self.tiers.get(slug, ()) + (self.paid if billing == PAID else ())


NO_CEILINGS = Ceilings({}, {})


async def read_ceilings(pool: AsyncConnectionPool) -> Ceilings:
    """The ceilings as stored. Raises psycopg.Error and OSError."""
    async with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(QUERY)
        rows = await cursor.fetchall()
    rules = {(row["scope"], row["name"]): ceiling_rules(**row) for row in rows}
    return Ceilings(
        aliases={name: found for (scope, name), found in rules.items() if scope == "alias"},
        tiers={name: found for (scope, name), found in rules.items() if scope == "tier"},
        paid=rules.get((PAID, ""), ()),
    )


def ceiling_rules(
    scope: str, name: str, usd_per_day: Decimal | None, usd_per_month: Decimal | None
) -> tuple[Rule, ...]:
    """One rule for each amount that is set."""
    holder = "paid tiers" if scope == PAID else f"{scope} {name}"
    subject = PAID if scope == PAID else f"{scope}:{name}"
    return rules_for(subject, Allowed(usd_per_day=usd_per_day, usd_per_month=usd_per_month), holder)
