"""Places at providers that take only so many requests at once: shared by all workers, through the ledger of limits."""

from accounts.ledger.ledger import Exceeded, Ledger, Reservation
from accounts.ledger.rules import Rule


class Places:
    """Whoever sends something to such a provider holds one of its places meanwhile.

    A full provider is skipped, so nobody waits for a place; only for Postgres' word whether there is one, where this
    worker has none at hand. Without Postgres each worker has its share of them, at least one.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._rules: dict[str, Rule] = {}

    async def take(self, provider: str, limit: int) -> Reservation | None:
        """A place, to be released; None when all are taken."""
        rule = self._rules.get(provider)
        if rule is None or rule.limit != limit:
            rule = self._rules[provider] = Rule(f"provider:{provider}", "running", limit, "provider")
        try:
            return await self._ledger.reserve([(rule, 1)], looks=1)
        except Exceeded:
            return None
