"""What a person's keys may use: the models and policies that the playground offers for each."""

from dataclasses import dataclass

from accounts.models import ApiKey, User
from gateway.services import Services
from rainymodel_site.composition import serving
from routing.engine.query import Grants
from routing.engine.resolve import visible_aliases


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """A key to choose by its name, and what it may ask for."""

    id: str
    kid: str
    label: str
    models: tuple[str, ...]
    policies: tuple[str, ...]


def choices_of(user: User) -> list[KeyChoice]:
    """The person's keys that work now, the one used last first."""
    rows = ApiKey.objects.filter(owner=user, revoked_at=None, replaced_by=None).select_related("owner")
    usable = [row for row in rows if row.state == "active"]
    usable.sort(key=lambda row: row.last_used_at or row.created_at, reverse=True)
    services = serving()
    return [choice_of(row, services) for row in usable]


def choice_of(row: ApiKey, services: Services | None) -> KeyChoice:
    """What one key may use of what is served; without a gateway in this process nothing is known."""
    grants = Grants(aliases=frozenset(row.aliases) or None)
    snapshot = services.snapshot() if services is not None else None
    models = (
        () if snapshot is None else tuple(sorted(each.name for each in visible_aliases(snapshot, grants)))
    )
    served = () if snapshot is None else sorted({policy.name for policy in snapshot.policies.values()})
    policies = tuple(name for name in served if not row.policies or name in row.policies)
    return KeyChoice(str(row.pk), row.kid, f"{row.label} (…{row.last_four})", models, policies)
