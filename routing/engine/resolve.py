"""From the model name a client sent to the alias that answers it.

The first of these decides: an exact alias; a direct call to one provider's model; the longest pattern.
"""

from collections.abc import Callable
from dataclasses import replace

from routing.engine.errors import ModelNotAllowed, UnknownModel
from routing.engine.names import STAR, captured, matches_any
from routing.engine.query import Grants, Query
from routing.engine.snapshot import Alias, Deployment, Provider, Route, Snapshot

OWN_PREFIX = "rainymodel/"


def resolve(snapshot: Snapshot, query: Query) -> Alias:
    """The alias for `query.model`; a direct call gets one made for it, with its deployments as routes.

    Raises ModelNotAllowed when the caller's grants exclude what the name leads to, else UnknownModel.
    """
    alias = snapshot.aliases.get(query.model)
    if alias is not None and alias.enabled:
        return _granted(alias, query)
    direct = _direct_alias(snapshot, query.model)
    if direct is not None:
        return _granted_direct(direct, query.grants)
    for pattern in snapshot.patterns:  # the longest comes first
        star = captured(pattern.name, query.model)
        if star is not None and pattern.enabled:
            return _filled(_granted(pattern, query), star)
    raise UnknownModel(query.model)


def visible_aliases(snapshot: Snapshot, grants: Grants) -> tuple[Alias, ...]:
    """The aliases that this caller finds in GET /v1/models: exact names, listed, enabled, allowed."""
    return tuple(
        alias
        for alias in snapshot.aliases.values()
        if alias.listed and alias.enabled and _allows(grants, alias.name)
    )


def _allows(grants: Grants, name: str) -> bool:
    return grants.aliases is None or matches_any(grants.aliases, name)


def _granted(alias: Alias, query: Query) -> Alias:
    if _allows(query.grants, query.model) or _allows(query.grants, alias.name):
        return alias
    raise ModelNotAllowed(f"the model {query.model[:120]!r}")


def _granted_direct(alias: Alias, grants: Grants) -> Alias:
    """A key limited to some aliases reaches a provider's model only where one of them names it."""
    if grants.direct_calls and _allows(grants, alias.name):
        return alias
    raise ModelNotAllowed(f"the direct call {alias.name[:120]!r}")


def _filled(alias: Alias, star: str) -> Alias:
    """The pattern with every `*` in an upstream model replaced by what the client's name had there."""
    return replace(alias, routes=tuple(_filled_route(route, star) for route in alias.routes))


def _filled_route(route: Route, star: str) -> Route:
    model = route.deployment.model
    if STAR not in model:
        return route
    return replace(route, deployment=replace(route.deployment, model=model.replace(STAR, star)))


def _direct_alias(snapshot: Snapshot, name: str) -> Alias | None:
    """An alias for `<provider>/<model>`; the provider's slug is looked for first, then its label."""
    provider, _, model = name.removeprefix(OWN_PREFIX).partition("/")
    if not model:
        return None
    deployments = _serving(snapshot, model, lambda owner: owner.slug == provider)
    deployments = deployments or _serving(snapshot, model, lambda owner: owner.upstream == provider)
    if not deployments:
        return None
    routes = tuple(Route(deployment, position) for position, deployment in enumerate(deployments, start=1))
    return Alias(f"{provider}/{model}", routes, listed=False)


def _serving(snapshot: Snapshot, model: str, is_asked: Callable[[Provider], bool]) -> tuple[Deployment, ...]:
    """Deployments of the asked providers: those of exactly this model, else those whose `*` covers it."""
    asked = {provider.slug for provider in snapshot.providers.values() if is_asked(provider)}
    if not asked:
        return ()
    owned = [deployment for deployment in snapshot.deployments.values() if deployment.provider.slug in asked]
    exact = tuple(deployment for deployment in owned if deployment.model == model)
    return exact or tuple(
        replace(deployment, model=model)
        for deployment in owned
        if STAR in deployment.model and captured(deployment.model, model) is not None
    )
