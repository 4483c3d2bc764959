"""Chosen offers → deployments in the tables, and which of a provider's models are there already."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.utils import timezone

from routing.catalogue import read_entry
from routing.discovery import KNOWN, ListedModel, Offer, from_price_file, offers
from routing.models import Deployment, Price, Provider, Tier
from routing.price_providers import price_provider
from routing.provider_secrets import surroundings_here
from routing.publish import publishing_lock

FREE_OF_CHARGE = ("free", "self_hosted")  # billings; a deployment of such a tier costs nothing
ZERO = {"input": "0", "cached_input": "0", "output": "0"}


@dataclass(slots=True)
class AddReport:
    """What adding came to: the new deployments' slugs, and what was left out with the reason."""

    added: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def offers_of(provider: Provider, listed: Iterable[ListedModel] | None) -> tuple[Offer, ...]:
    """The provider's models as deployments; None for `listed` offers what the price file has of it."""
    known = dict(Deployment.objects.filter(provider=provider).values_list("model", "slug"))
    name = price_provider(read_entry(provider), surroundings_here())
    if listed is None:
        listed = from_price_file(name)
    return offers(listed, provider=name, known=known, today=f"{timezone.now():%Y-%m-%d}")


def usual_tier(provider: Provider) -> Tier | None:
    """Where most of the provider's deployments are; for a new one the first tier of its kind; None without tiers."""
    tiers = [deployment.tier for deployment in provider.deployments.select_related("tier")]
    if tiers:
        return max(tiers, key=tiers.count)
    billing = "paid" if provider.address_class == "public" else "self_hosted"
    return Tier.objects.filter(billing=billing).first() or Tier.objects.last()


def add_offers(provider: Provider, tier: Tier, chosen: Iterable[Offer]) -> AddReport:
    """Make deployments of the chosen offers; those that cannot be made are left out, with the reason."""
    report = AddReport()
    with publishing_lock():
        for offer in chosen:
            try:
                report.added.append(_add(provider, tier, offer))
            except ValidationError as error:
                report.left_out[offer.model] = " ".join(error.messages)
    return report


def _add(provider: Provider, tier: Tier, offer: Offer) -> str:
    if Deployment.objects.filter(provider=provider, model=offer.model).exists():
        raise ValidationError("It is a deployment already.")
    if not offer.is_new:
        raise ValidationError(f"It {offer.why}.")
    row = Deployment(
        provider=provider,
        tier=tier,
        model=offer.model,
        context_window=offer.context_window,
        output_limit=offer.output_limit,
        capabilities=list(offer.capabilities),
        dialects=[] if offer.dialects == ("chat",) else list(offer.dialects),
        source=offer.source,
    )
    row.full_clean()
    row.save()
    amounts = prices_in(tier, offer)
    if any(amount is not None for amount in amounts.values()):
        price = Price(deployment=row, starts=timezone.now().replace(microsecond=0), **amounts)
        price.full_clean()
        price.save()
    return row.slug


def prices_in(tier: Tier, offer: Offer) -> Mapping[str, Any]:
    """The offer's prices in a tier: nothing where the tier is free or our own, else what is known."""
    if tier.billing in FREE_OF_CHARGE:
        return ZERO
    return {"input": offer.input, "cached_input": offer.cached_input, "output": offer.output}


def chosen_offers(found: Iterable[Offer], names: Iterable[str]) -> tuple[list[Offer], dict[str, str]]:
    """The new offers among the named models, and for each other name why it cannot be added."""
    by_name = {offer.model: offer for offer in found}
    chosen, problems = [], {}
    for name in dict.fromkeys(names):
        offer = by_name.get(name)
        if offer is None:
            problems[name] = "the provider does not list it"
        elif offer.is_new:
            chosen.append(offer)
        else:
            problems[name] = "it is a deployment already" if offer.state == KNOWN else f"it {offer.why}"
    return chosen, problems
