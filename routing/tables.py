"""Which columns of which tables are published: the outline that rows and documents share."""

from dataclasses import dataclass
from typing import Any

from django.db import models

from routing.models import Alias, Deployment, PolicyStep, Price, Provider, Route, Tier, TierPolicy

# Everything else in models/ is about publishing itself, or secret.
NOT_PUBLISHED = frozenset(
    {"ProviderSecret", "CatalogueRevision", "PublishingSwitch", "ScheduledPublication", "SeededRow"}
)


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that belong to one row: the steps of a policy, say. `key` tells them apart inside it."""

    name: str
    model: type[models.Model]
    parent: str
    key: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One section of the document. `late` fields name rows of the same table, so they are set last."""

    section: str
    noun: str
    model: type[models.Model]
    key: str
    fields: tuple[str, ...]
    late: tuple[str, ...] = ()
    part: Part | None = None


STEPS = Part("steps", PolicyStep, "policy", "tier", ("tier", "strategy", "position"))
PRICES = Part("prices", Price, "deployment", "starts", ("starts", "input", "cached_input", "output"))
ROUTES = Part("routes", Route, "alias", "deployment", ("deployment", "position", "weight", "enabled"))
# In this order: a table names rows of the tables before it only.
TABLES = (
    Table("tiers", "tier", Tier, "slug", ("slug", "name", "billing", "rank")),
    Table(
        "policies",
        "policy",
        TierPolicy,
        "name",
        ("name", "synonyms", "description", "price_ceiling"),
        part=STEPS,
    ),
    Table(
        "providers",
        "provider",
        Provider,
        "slug",
        (
            "slug",
            "upstream",
            "wire",
            "litellm_prefix",
            "base_url",
            "address_class",
            "credential_variable",
            "extra_headers",
            "connect_limit",
            "first_content_limit",
            "idle_limit",
            "total_limit",
            "concurrency_limit",
            "open_after",
            "open_for",
            "quota_window",
            "enabled",
        ),
    ),
    Table(
        "deployments",
        "deployment",
        Deployment,
        "slug",
        (
            "slug",
            "provider",
            "model",
            "tier",
            "context_window",
            "output_limit",
            "capabilities",
            "dialects",
            "parameter_policy",
            "quality",
            "first_content_limit",
            "idle_limit",
            "total_limit",
            "enabled",
            "source",
        ),
        part=PRICES,
    ),
    Table(
        "aliases",
        "alias",
        Alias,
        "name",
        (
            "name",
            "description",
            "policy",
            "first_content_deadline",
            "total_deadline",
            "mode",
            "standard_target",
            "mini_target",
            "listed",
            "enabled",
        ),
        late=("standard_target", "mini_target"),
        part=ROUTES,
    ),
)
NATURAL_KEYS = {table.model: table.key for table in TABLES}


def column(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    """The column of that name."""
    found = model._meta.get_field(name)
    assert isinstance(found, models.Field)
    return found
