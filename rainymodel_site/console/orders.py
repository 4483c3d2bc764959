"""Operators' orders about upstreams: read from a form, written with their audit entry, told to every worker."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from accounts.actor import current_actor
from accounts.audit import record
from gateway.state_models import UpstreamOrder

OPEN, CLOSE, HOLD, RELEASE = (
    UpstreamOrder.OPEN,
    UpstreamOrder.CLOSE,
    UpstreamOrder.HOLD,
    UpstreamOrder.RELEASE,
)
ABOUT_DEPLOYMENTS, ABOUT_PROVIDERS = (OPEN, CLOSE), (HOLD, RELEASE)
ENDLESS = "endless"
# What a form offers: its value → how long, in words.
TIMES = {"900": "15 minutes", "3600": "1 hour", "86400": "1 day"}


class OrderRefused(Exception):
    """The form made no order; the message says why, for an operator."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an operator asks for: the deed and the slug of the deployment or provider that it is about."""

    what: str
    deployment: str = ""
    provider: str = ""

    @property
    def slug(self) -> str:
        """Of whichever it is about."""
        return self.deployment or self.provider

    @property
    def lasts(self) -> bool:
        """Whether it needs an end."""
        return self.what in (OPEN, HOLD)


def read_wanted(fields: Mapping[str, str], deployments: frozenset[str], providers: frozenset[str]) -> Wanted:
    """The order that a query or a form names. Raises OrderRefused when there is no such thing."""
    what = fields.get("what", "")
    wanted = Wanted(what, fields.get("deployment", ""), fields.get("provider", ""))
    if what in ABOUT_DEPLOYMENTS and wanted.deployment in deployments and not wanted.provider:
        return wanted
    if what in ABOUT_PROVIDERS and wanted.provider in providers and not wanted.deployment:
        return wanted
    raise OrderRefused("The serving catalogue has no such deployment or provider. Choose one here.")


def read_until(fields: Mapping[str, str], now: datetime) -> datetime | None:
    """The end that a form chose, None for none. Raises OrderRefused."""
    chosen = fields.get("time", "")
    if chosen == ENDLESS:
        return None
    if chosen not in TIMES:
        raise OrderRefused("Nothing was ordered: choose for how long.")
    return now + timedelta(seconds=int(chosen))


def give_order(wanted: Wanted, until: datetime | None) -> UpstreamOrder:
    """Write the order and its audit entry, both or neither.

    The audit's lock comes first: orders become visible in the order of their numbers, which workers read on from.
    """
    actor = current_actor()
    kind = "deployment" if wanted.deployment else "provider"
    changes = {"until": (None, "until the next order" if until is None else until)} if wanted.lasts else {}
    with transaction.atomic():
        record(actor.name, f"ordered: {wanted.what}", f"{kind} {wanted.slug}", changes, actor.address)
        return UpstreamOrder.objects.create(
            actor=actor.name,
            what=wanted.what,
            deployment=wanted.deployment,
            provider=wanted.provider,
            until=until,
        )
