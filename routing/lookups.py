"""What pages outside the catalogue ask of its rows: the names there are now, and what a published revision held."""

from dataclasses import dataclass

from routing.document import Document
from routing.models import Alias, CatalogueRevision, Deployment, Provider, Tier, TierPolicy

MOST_NAMES = 500


@dataclass(frozen=True, slots=True)
class CatalogueNames:
    """The names of the catalogue's rows, each list sorted, tiers by rank; of very many the first MOST_NAMES."""

    aliases: tuple[str, ...]
    policies: tuple[str, ...]
    tiers: tuple[str, ...]
    providers: tuple[str, ...]
    deployments: tuple[str, ...]


def catalogue_names() -> CatalogueNames:
    """The names that the tables hold now, published or not."""
    return CatalogueNames(
        aliases=tuple(Alias.objects.order_by("name").values_list("name", flat=True)[:MOST_NAMES]),
        policies=tuple(TierPolicy.objects.order_by("name").values_list("name", flat=True)[:MOST_NAMES]),
        tiers=tuple(Tier.objects.order_by("rank").values_list("slug", flat=True)[:MOST_NAMES]),
        providers=tuple(Provider.objects.order_by("slug").values_list("slug", flat=True)[:MOST_NAMES]),
        deployments=tuple(Deployment.objects.order_by("slug").values_list("slug", flat=True)[:MOST_NAMES]),
    )


def published_document(number: int) -> Document | None:
    """What revision `number` published; None when it is not kept."""
    return CatalogueRevision.objects.filter(pk=number).values_list("document", flat=True).first()
