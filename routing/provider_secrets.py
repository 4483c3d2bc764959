"""Provider secrets given as values: setting, forgetting and describing them. Their text never comes back."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from routing.catalogue import read_entry
from routing.environment import Surroundings, address_of, read_surroundings
from routing.models import Provider, ProviderSecret
from routing.sealing import open_all, open_sealed, read_ring, seal

SHOWN_FROM = 12  # the end of a shorter secret would give too much of it away


@dataclass(frozen=True, slots=True)
class SecretState:
    """What may be told about a stored secret."""

    opens: bool
    last_four: str
    set_at: datetime
    set_by: str


def surroundings_here() -> Surroundings:
    """The surroundings of this process, its stored secrets opened."""
    found = ProviderSecret.objects.values_list("provider_slug", "base_url", "sealed")
    rows = ((slug, address, bytes(sealed)) for slug, address, sealed in found)
    return read_surroundings().with_secrets(open_all(rows, read_ring(settings.SEALING_KEYS)))


def set_secret(provider: Provider, text: str, author: str) -> None:
    """Seal the provider's credential for the address it has now."""
    address = address_of(read_entry(provider), read_surroundings())
    ProviderSecret.objects.update_or_create(
        provider_slug=provider.slug,
        base_url=address,
        defaults={
            "sealed": seal(text, provider.slug, address),
            "last_four": text[-4:] if len(text) >= SHOWN_FROM else "",
            "set_by": author,
        },
    )


def forget_secrets(provider: Provider) -> int:
    """Delete every secret stored for the provider, whatever address it was for; how many there were."""
    return ProviderSecret.objects.filter(provider_slug=provider.slug).delete()[0]


def secret_state(provider: Provider, surroundings: Surroundings) -> SecretState | None:
    """What is known of the secret stored for the provider's present address; None when there is none."""
    address = address_of(read_entry(provider), surroundings)
    row = ProviderSecret.objects.filter(provider_slug=provider.slug, base_url=address).first()
    if row is None:
        return None
    opens = open_sealed(bytes(row.sealed), row.provider_slug, row.base_url) is not None
    return SecretState(opens, row.last_four, row.set_at, row.set_by)


def sealing_refusal() -> str | None:
    """Why the stored secrets are of no use here; None when there are none, or one of them opens."""
    rows = ProviderSecret.objects.values_list("provider_slug", "base_url", "sealed")
    opened = [open_sealed(bytes(sealed), slug, address) for slug, address, sealed in rows]
    if not opened or any(secret is not None for secret in opened):
        return None
    return (
        f"RAINYMODEL_SECRET_KEYS opens none of the {len(opened)} provider secrets in the database: "
        "give it the keys that sealed them, the newest first."
    )


@transaction.atomic
def reseal_all() -> tuple[int, int]:
    """Seal every secret under the first key of the ring: how many were re-sealed, how many do not open."""
    ring = read_ring(settings.SEALING_KEYS)
    resealed = closed = 0
    for row in ProviderSecret.objects.select_for_update():
        text = ring.open(bytes(row.sealed), row.provider_slug, row.base_url)
        if text is None:
            closed += 1
        elif not ring.seals_with_first(bytes(row.sealed)):
            row.sealed = ring.seal(text, row.provider_slug, row.base_url)
            row.save(update_fields=["sealed"])
            resealed += 1
    return resealed, closed
