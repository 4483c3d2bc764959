"""The catalogue's admin pages. Every save publishes by itself when the result is valid and publishing is not held."""

from routing.admin.names import AliasAdmin, TierAdmin, TierPolicyAdmin
from routing.admin.revisions import CatalogueRevisionAdmin
from routing.admin.upstreams import DeploymentAdmin, ProviderAdmin

__all__ = [
    "AliasAdmin",
    "CatalogueRevisionAdmin",
    "DeploymentAdmin",
    "ProviderAdmin",
    "TierAdmin",
    "TierPolicyAdmin",
]
