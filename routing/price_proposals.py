"""Price changes that the price file suggests, and taking them over: each becomes a new row, the old ones stay."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from routing import price_file
from routing.catalogue import plain, read_entry
from routing.models import Deployment, Price
from routing.price_file import PriceFacts
from routing.price_providers import price_provider
from routing.provider_secrets import surroundings_here
from routing.publish import publishing_lock

FIELDS = ("input", "cached_input", "output")
FREE_OF_CHARGE = ("free", "self_hosted")
Amounts = dict[str, str | None]


@dataclass(frozen=True, slots=True)
class Change:
    """One price: what is in force, and what the file says. USD per million tokens; None is unknown."""

    field: str
    now: str | None
    then: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """A deployment whose prices differ from the file's. `amounts` are all three prices of the new row, in text."""

    deployment: str
    changes: tuple[Change, ...]
    amounts: tuple[tuple[str, str | None], ...]
    source: str

    @property
    def mark(self) -> str:
        """What tells this proposal from a later one for the same deployment."""
        return f"{self.deployment} {'/'.join(value or '' for _, value in self.amounts)}"


def proposals(
    provider: str = "", slugs: Iterable[str] = (), at: datetime | None = None
) -> tuple[Proposal, ...]:
    """What the file proposes, for one provider or for some deployments or for all, by slug.

    Only where the file has the provider's own row. Prices are compared with those in force at the moment `at`.
    """
    rows = Deployment.objects.select_related("provider", "tier").prefetch_related("prices").order_by("slug")
    if provider:
        rows = rows.filter(provider__slug=provider)
    if chosen := list(slugs):
        rows = rows.filter(slug__in=chosen)
    surroundings, moment = surroundings_here(), at or timezone.now()
    names = {row.provider: price_provider(read_entry(row.provider), surroundings) for row in rows}
    found = (_proposal(row, names[row.provider], moment) for row in rows)
    return tuple(proposal for proposal in found if proposal)


def take_over(chosen: Iterable[Proposal], starts: datetime | None = None) -> list[str]:
    """Add a price row to each deployment from `starts` (now) on; the slugs that got one.

    One that already has a price from that very moment keeps it.
    """
    moment = (starts or timezone.now()).replace(microsecond=0)
    taken = []
    with publishing_lock():
        rows = {row.slug: row for row in Deployment.objects.filter(slug__in=[p.deployment for p in chosen])}
        for proposal in chosen:
            row = rows.get(proposal.deployment)
            if row is None or row.prices.filter(starts=moment).exists():
                continue
            price = Price(deployment=row, starts=moment, **dict(proposal.amounts))
            price.full_clean()
            price.save()
            row.source = f"{proposal.source}, {timezone.now():%Y-%m-%d}"[:200]
            row.save(update_fields=["source"])
            taken.append(row.slug)
    return taken


def _proposal(row: Deployment, name: str, moment: datetime) -> Proposal | None:
    facts = price_file.lookup(name, row.model.removeprefix("models/")) if name else None
    now = _in_force(row, moment)
    if facts is None or _is_free(row, now):
        return None
    changes = tuple(_changes(now, facts))
    if not changes:
        return None
    amounts = now | {change.field: change.then for change in changes}
    return Proposal(row.slug, changes, tuple(amounts.items()), facts.source)


def _changes(now: Amounts, facts: PriceFacts) -> Iterable[Change]:
    """What the file does not say stays as it is."""
    for field in FIELDS:
        then: str | None = getattr(facts, field)
        before = now[field]
        if then is not None and (before is None or Decimal(before) != Decimal(then)):
            yield Change(field, before, then)


def _in_force(row: Deployment, moment: datetime) -> Amounts:
    started = [price for price in row.prices.all() if price.starts <= moment]
    return {field: plain(getattr(started[-1], field)) if started else None for field in FIELDS}


def _is_free(row: Deployment, now: Amounts) -> bool:
    """Priced at nothing because it costs us nothing: what others pay elsewhere does not matter."""
    known = [Decimal(value) for value in now.values() if value is not None]
    return row.tier.billing in FREE_OF_CHARGE and bool(known) and not any(known)
