"""Which addresses an upstream may be reached at, judged when the socket is opened on the address really used.

A base URL is only a name until then: DNS may say something else later. `public` means globally routable, `private`
means listed in RAINYMODEL_PRIVATE_UPSTREAMS, `plaintext` listed in RAINYMODEL_PLAINTEXT_UPSTREAMS.
"""

import errno
import ipaddress
import socket
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from routing.addresses import NEVER, AllowedUpstreams

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
AddrInfo = tuple[Any, ...]
Names = Mapping[str, frozenset[str]]
NO_NAMES: Names = MappingProxyType({})


class AddressRefused(OSError):
    """The address is not allowed for this provider's class."""


class AddressRules:
    """The environment's lists of allowed private and plaintext addresses, applied to real addresses."""

    def __init__(self, allowed: AllowedUpstreams) -> None:
        self._loopback = allowed.loopback
        self._listed = {
            "private": tuple(map(read_entry, allowed.private)),
            "plaintext": tuple(map(read_entry, allowed.plaintext)),
        }

    def allows(self, address_class: str, address: Address, port: int, names: Names = NO_NAMES) -> bool:
        """Whether a provider of this class may be reached at this address and port.

        `names` tells what listed names stood for when they were last resolved.
        """
        address = getattr(address, "ipv4_mapped", None) or address
        if address.is_multicast or any(address in network for network in NEVER):
            return False
        if address.is_loopback and self._loopback:
            return True
        if address_class in self._listed:
            return is_listed(self._listed[address_class], address, port, names)
        return address.is_global


def read_entry(entry: str) -> tuple[Network | str, int]:
    """`10.0.0.0/8:11434`, `[::1]:80` or `ollama.internal:11434` → (network or name, port)."""
    host, _, port = entry.rpartition(":")
    host = host.strip("[]")
    try:
        return ipaddress.ip_network(host, strict=False), int(port)
    except ValueError:
        return host.lower(), int(port)


def is_listed(
    entries: tuple[tuple[Network | str, int], ...], address: Address, port: int, names: Names
) -> bool:
    """Whether an entry holds the address: as a network, or as a name that resolved to it."""
    for place, allowed_port in entries:
        if allowed_port != port:
            continue
        if str(address) in names.get(place, ()) if isinstance(place, str) else address in place:
            return True
    return False


def guarded_socket(
    rules: AddressRules, address_class: str, names: Names
) -> Callable[[AddrInfo], socket.socket]:
    """A socket factory for aiohttp that refuses an address before connecting to it."""

    def open_socket(info: AddrInfo) -> socket.socket:
        family, kind, proto, _, where = info
        host, port = where[0], where[1]
        if not rules.allows(address_class, ipaddress.ip_address(host.split("%")[0]), port, names):
            raise AddressRefused(errno.EACCES, f"{host}:{port} is not an allowed {address_class} address")
        return socket.socket(family, kind, proto)

    return open_socket
