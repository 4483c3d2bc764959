"""Addresses of webhooks: many hold a secret, so they are sealed for their channel and host, as credentials are."""

import re
from urllib.parse import urlsplit

from django.conf import settings

from rainymodel_site.alert_models import AlertChannel
from routing.addresses import AllowedUpstreams, BadTemplate, address_problem, host_of
from routing.sealing import open_sealed, read_ring, seal

VISIBLE = re.compile(r"[!-~]{1,2000}")
CLASS = "public"  # whatever operators enter, a webhook is never at a private address


def address_refusal(url: str, allowed: AllowedUpstreams) -> str:
    """Why this address cannot be a webhook's; empty when it can. What it resolves to is checked when it is called."""
    if not VISIBLE.fullmatch(url) or "#" in url:
        return "An address is one line without spaces and without #."
    try:
        problem = address_problem(url.partition("?")[0], CLASS, allowed)
    except BadTemplate:
        return "Give the whole address: https://, a host and a path, without user name and password."
    return f"{problem} A webhook cannot be at a private address." if problem else ""


def set_address(channel: AlertChannel, url: str) -> None:
    """Seal the address into the channel, which is not saved here."""
    channel.host = shown_host(url)
    channel.sealed = seal(url, bound_to(channel), channel.host)


def address_of(channel: AlertChannel) -> str | None:
    """The address; None when there is none, or it was sealed under keys that are no longer there."""
    if not channel.sealed:
        return None
    return open_sealed(bytes(channel.sealed), bound_to(channel), channel.host)


def reseal() -> None:
    """Seal addresses under the first key of the ring, so that a rotated ring may lose the others later."""
    ring = read_ring(settings.SEALING_KEYS)
    for channel in AlertChannel.objects.exclude(sealed=b""):
        url = None if ring.seals_with_first(bytes(channel.sealed)) else address_of(channel)
        if url is not None:
            sealed = ring.seal(url, bound_to(channel), channel.host)
            AlertChannel.objects.filter(pk=channel.pk, sealed=channel.sealed).update(sealed=sealed)


def bound_to(channel: AlertChannel) -> str:
    """What the seal is for: no provider has a slug with a colon in it."""
    return f"alert channel:{channel.pk}"


def shown_host(url: str) -> str:
    """Host and port as a page may show them."""
    port = urlsplit(url).port
    return f"{host_of(url)}:{port}" if port else host_of(url)
