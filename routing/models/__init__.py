"""The catalogue's rows. They stay inside this app; the gateway sees only the compiled `Snapshot`."""

from routing.models.catalogue import (
    Alias,
    Deployment,
    PolicyStep,
    Price,
    Provider,
    Route,
    Tier,
    TierPolicy,
    choices,
)
from routing.models.publishing import (
    CatalogueRevision,
    ProviderSecret,
    PublishingSwitch,
    ScheduledPublication,
    SeededRow,
)

__all__ = [
    "Alias",
    "CatalogueRevision",
    "Deployment",
    "PolicyStep",
    "Price",
    "Provider",
    "ProviderSecret",
    "PublishingSwitch",
    "Route",
    "ScheduledPublication",
    "SeededRow",
    "Tier",
    "TierPolicy",
    "choices",
]
