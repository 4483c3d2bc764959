"""By which name the price file knows a provider of ours: its litellm prefix, or the vendor whose host it is."""

from collections.abc import Mapping
from typing import Any

from routing.addresses import expand, host_of
from routing.environment import Surroundings
from routing.importers.litellm_vendors import VENDORS

HOSTS = {host_of(vendor.base_url): name for name, vendor in VENDORS.items() if "." in vendor.base_url}
OWN_HOSTS = {"generativelanguage.googleapis.com": "gemini", "api.anthropic.com": "anthropic"}


def price_provider(provider: Mapping[str, Any], surroundings: Surroundings) -> str:
    """The file's name of a provider, given as its entry in a document; empty when the file has no prices of it.

    An address that is not the vendor's own has prices of its own, so the file does not speak for it.
    """
    host = host_of(expand(provider["base_url"], surroundings.urls))
    if host:
        return (HOSTS | OWN_HOSTS).get(host, "")
    return str(provider["litellm_prefix"]).rstrip("/") if provider["wire"] == "litellm" else ""
