"""What the gateway says of itself: models, providers, the automatic choice. Shapes of dictionaries, nothing else."""

from collections.abc import Iterable
from typing import Any

from routing.engine.query import Grants
from routing.engine.resolve import visible_aliases
from routing.engine.snapshot import Alias, Provider, Snapshot

OWNER = "rainymodel"
SINCE = 1_735_689_600  # `created` is required by clients; aliases have no such moment, so all share one
DEFAULT_MODEL, DEFAULT_POLICY = "rainymodel/auto", "auto"
ENDPOINTS = (
    "POST /v1/chat/completions",
    "POST /v1/completions",
    "POST /v1/embeddings",
    "POST /v1/responses",
    "POST /v1/messages",
    "POST /v1/messages/count_tokens",
    "GET /v1/models",
    "GET /v1/models/{id}",
    "GET /v1/model/info",
    "GET /v1/providers",
    "GET /v1/auto/config",
    "GET /health",
    "GET /ready",
)


def service_info(version: str) -> dict[str, Any]:
    """The answer of GET /."""
    return {
        "name": "RainyModel",
        "description": "OpenAI-compatible LLM gateway of the Orcest AI ecosystem: routes, falls through, explains.",
        "version": version,
        "endpoints": list(ENDPOINTS),
    }


def model_list(aliases: Iterable[Alias]) -> dict[str, Any]:
    """OpenAI's list of models."""
    data = [
        {
            "id": alias.name,
            "object": "model",
            "created": SINCE,
            "owned_by": OWNER,
            "description": alias.description,
        }
        for alias in aliases
    ]
    return {"object": "list", "data": data}


def provider_list(snapshot: Snapshot) -> dict[str, Any]:
    """Providers with tier, state and the prefix of a direct call."""
    tiers = tiers_of_providers(snapshot)
    data = [
        {
            "id": provider.slug,
            "object": "provider",
            "upstream": provider.upstream,
            "status": status(provider),
            "reason": provider.unready,
            "tiers": tiers.get(provider.slug, []),
            "direct_prefix": f"rainymodel/{provider.slug}/",
        }
        for provider in snapshot.providers.values()
    ]
    return {"object": "list", "data": data}


def auto_config(snapshot: Snapshot, grants: Grants) -> dict[str, Any]:
    """Default model and policy, providers that can be called by tier, and the models to offer first."""
    by_tier: dict[str, list[str]] = {
        tier.slug: [] for tier in sorted(snapshot.tiers.values(), key=lambda t: t.rank)
    }
    for slug, tiers in tiers_of_providers(snapshot).items():
        if snapshot.providers[slug].unready is None:
            for tier in tiers:
                by_tier[tier].append(slug)
    aliases = visible_aliases(snapshot, grants)
    policies = dict.fromkeys(policy.name for policy in snapshot.policies.values())
    return {
        "default_model": DEFAULT_MODEL,
        "default_policy": DEFAULT_POLICY,
        "policies": list(policies),
        "providers_by_tier": by_tier,
        "recommended_models": [{"id": alias.name, "description": alias.description} for alias in aliases],
        "revision": snapshot.number,
    }


def status(provider: Provider) -> str:
    """`configured`, or `not_configured` when this worker cannot call it."""
    return "not_configured" if provider.unready else "configured"


def tiers_of_providers(snapshot: Snapshot) -> dict[str, list[str]]:
    """Provider slug → the tiers of its deployments, cheapest first."""
    found: dict[str, set[str]] = {}
    for deployment in snapshot.deployments.values():
        found.setdefault(deployment.provider.slug, set()).add(deployment.tier.slug)
    return {slug: sorted(tiers, key=lambda tier: snapshot.tiers[tier].rank) for slug, tiers in found.items()}
