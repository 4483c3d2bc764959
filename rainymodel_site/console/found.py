"""A provider's models as offers: asked, read, and compared with what the catalogue has."""

from collections.abc import Callable

from asgiref.sync import async_to_sync

from rainymodel_site.console.asking import Asked, ListingFailed, list_models
from rainymodel_site.console.catalogue import DraftUnusable, read_draft
from rainymodel_site.console.reach import sessions_here
from routing.discovery import ListedModel, Offer
from routing.discovery_add import offers_of
from routing.models import Provider


def discover(provider: Provider, progress: Callable[[str], None] = lambda text: None) -> tuple[Offer, ...]:
    """Ask the provider for its models and say what each would be as a deployment. Raises ListingFailed."""
    try:
        draft = read_draft()
    except DraftUnusable as error:
        raise ListingFailed(str(error)) from None
    if problem := draft.problems[provider.slug]:
        raise ListingFailed(f"{provider.slug} cannot be asked from here: {problem.rstrip('.')}.")
    compiled = draft.provider(provider.slug)

    async def ask() -> tuple[ListedModel, ...] | None:
        async with sessions_here() as sessions:
            return await list_models(
                Asked(compiled, draft.credentials.get(provider.slug), sessions, progress)
            )

    return offers_of(provider, async_to_sync(ask)())
