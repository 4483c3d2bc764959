"""The draft as the console's tools see it: compiled here, each provider and deployment with its credential."""

from dataclasses import dataclass, replace
from typing import Any

from routing.catalogue import read_document
from routing.compile import compile_snapshot
from routing.document import CatalogueError
from routing.engine.snapshot import WIRES, Deployment, Provider, Snapshot
from routing.environment import Surroundings, address_warning, credentials, readiness
from routing.provider_secrets import surroundings_here


class DraftUnusable(Exception):
    """The draft cannot be compiled; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The catalogue's tables, compiled for this process. What is switched off counts as on: it may be tried."""

    snapshot: Snapshot
    credentials: dict[str, str]
    problems: dict[str, str]

    def provider(self, slug: str) -> Provider:
        """The provider of that slug; raises KeyError."""
        return self.snapshot.providers[slug]

    def first_of(self, slug: str) -> Deployment | None:
        """The deployment to try a provider with: the first by slug, enabled ones and plain names before others."""
        found = [one for one in self.snapshot.deployments.values() if one.provider.slug == slug]
        return min(found, key=lambda one: (not one.enabled, "*" in one.model, one.slug), default=None)


def read_draft() -> Draft:
    """The draft as it stands now. Raises DraftUnusable."""
    document = read_document()
    # Whether a wire is built in matters to a call alone, which says so itself.
    surroundings = replace(surroundings_here(), wires=frozenset(WIRES))
    tried = {**document, "providers": [{**entry, "enabled": True} for entry in document["providers"]]}
    try:
        snapshot = compile_snapshot(tried, 0, surroundings)
    except CatalogueError as error:
        raise DraftUnusable(f"The catalogue's draft has an error: {error}") from None
    problems = {entry["slug"]: _problem(entry, surroundings) for entry in tried["providers"]}
    return Draft(snapshot, credentials(tried, surroundings), problems)


def _problem(entry: dict[str, Any], surroundings: Surroundings) -> str:
    """Why the provider cannot be called from here at all; empty when it can."""
    found = readiness(entry, surroundings)
    return found.why if found.unready else address_warning(entry, surroundings)
