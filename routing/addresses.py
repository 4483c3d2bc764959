"""Upstream addresses: URL templates, and what each address class allows.

What a name resolves to is checked again by the gateway at connect time, on the address actually used.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from rainymodel_site import env

# Older names are read when the variable itself is not set.
URL_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "OLLAMAFREE_API_BASE": (),
    "OLLAMA_PRIMARY_URL": ("OLLAMA_BASE_URL",),
    "OLLAMA_SECONDARY_URL": (),
    "CLIPROXY_API_BASE": (),
    "NEW_API_BASE": (),
    "ARK_API_BASE": (),
}
# A value with a version of its own, such as …/api/v3, keeps it: no /v1 is added behind it.
OWN_VERSION = re.compile(r"(/v[0-9]+)/v1$")
PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^${}]*))?\}")
PORTS = {"http": 80, "https": 443}
# Link-local ranges, and the metadata services that clouds run outside them.
NEVER = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::254/128",
        "100.100.100.200/32",
        "0.0.0.0/8",
        "::/128",
    )
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class BadTemplate(ValueError):
    """A base URL that cannot be expanded; the message is written for the operator who typed it."""


@dataclass(frozen=True, slots=True)
class AllowedUpstreams:
    """Which private and plaintext addresses the environment allows: `host:port` or `cidr:port` each."""

    private: tuple[str, ...] = ()
    plaintext: tuple[str, ...] = ()
    loopback: bool = False


def read_allowed(environ: Mapping[str, str], *, loopback: bool) -> AllowedUpstreams:
    """The lists of the environment; an entry that cannot be read ends the start."""
    private = env.items("RAINYMODEL_PRIVATE_UPSTREAMS", environ)
    plaintext = env.items("RAINYMODEL_PLAINTEXT_UPSTREAMS", environ)
    for name, entries in (
        ("RAINYMODEL_PRIVATE_UPSTREAMS", private),
        ("RAINYMODEL_PLAINTEXT_UPSTREAMS", plaintext),
    ):
        for entry in entries:
            if not _is_entry(entry, ranges=entries is private):
                raise env.ConfigurationError(
                    f"{name} holds {entry[:60]!r}, which is not of the form host:port."
                )
    return AllowedUpstreams(private, plaintext, loopback)


def variables_in(template: str) -> tuple[str, ...]:
    """The names of the variables that the template mentions."""
    return tuple(match.group(1) for match in PLACEHOLDER.finditer(template))


def expand(template: str, urls: Mapping[str, str]) -> str:
    """The URL that the template stands for, without a slash at its end.

    `${VARIABLE}/v1` takes the value with its own version where it has one. `urls` holds the URL variables that
    are set; the others take the template's default, else their own.
    Raises BadTemplate for other variables and for what is no http(s) URL.
    """

    def value_of(match: re.Match[str]) -> str:
        name, default = match.group(1), match.group(2)
        if name not in URL_VARIABLES:
            raise BadTemplate(f"{name} may not stand in a URL; only {', '.join(URL_VARIABLES)} may.")
        return urls.get(name) or (default or env.DECLARED[name].default).rstrip("/")

    url = PLACEHOLDER.sub(value_of, template).rstrip("/")
    if template.rstrip("/").endswith("}/v1"):
        url = OWN_VERSION.sub(r"\1", url)
    if url:
        split_url(url)
    return url


def check_template(template: str) -> None:
    """Raise BadTemplate when the template cannot be expanded, whatever the environment holds."""
    expand(template, {})


def split_url(url: str) -> SplitResult:
    """The parts of an http(s) URL; raises BadTemplate for anything else."""
    if "$" in url or not url.isascii() or not url.isprintable() or any(sign in url for sign in ' "<>\\^`{|}'):
        raise BadTemplate("The URL holds a character that does not belong there, or an unfinished ${…}.")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (reading it is what checks it)
    except ValueError:
        raise BadTemplate("This is not a URL.") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise BadTemplate("A base URL begins with https:// or http:// and names a host.")
    if parts.username is not None or parts.password is not None:
        raise BadTemplate("A base URL holds no user name or password; set the credential in its own field.")
    if parts.query or parts.fragment:
        raise BadTemplate("A base URL ends with its path: no ? and no #.")
    return parts


def host_of(url: str) -> str:
    """The host name in the URL, in lower case; empty when there is none."""
    return (urlsplit(url).hostname or "").lower()


def is_loopback(host: str) -> bool:
    """True for localhost and for loopback addresses."""
    address = _literal(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def address_problem(url: str, address_class: str, allowed: AllowedUpstreams) -> str:
    """Why this URL may not be called in this class here; empty when it may."""
    parts = split_url(url)
    host = (parts.hostname or "").lower()
    address = _literal(host)
    place = f"{f'[{host}]' if ':' in host else host}:{parts.port or PORTS[parts.scheme]}"
    if address is not None and any(
        address in network for network in NEVER if network.version == address.version
    ):
        return f"{host} is a link-local or metadata address; no upstream may be there."
    if allowed.loopback and is_loopback(host):
        return ""
    if address_class == "private":
        return (
            ""
            if _is_listed(host, place, allowed.private)
            else _not_listed(place, "RAINYMODEL_PRIVATE_UPSTREAMS")
        )
    if address_class == "plaintext" and parts.scheme == "http":
        return "" if place in allowed.plaintext else _not_listed(place, "RAINYMODEL_PLAINTEXT_UPSTREAMS")
    if parts.scheme != "https":
        return "A public address needs https://."
    if address is not None or "." not in host:
        return "A public address needs a full DNS name."
    return ""


def _literal(host: str) -> Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _is_entry(entry: str, *, ranges: bool) -> bool:
    place, _, port = entry.rpartition(":")
    if not place or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        return False
    if "/" not in place:
        return True
    try:
        ipaddress.ip_network(place.strip("[]"), strict=False)
    except ValueError:
        return False
    return ranges


def _is_listed(host: str, place: str, entries: Iterable[str]) -> bool:
    """A name is compared as text; what it resolves to is compared with the ranges at connect time."""
    address, port = _literal(host), place.rpartition(":")[2]
    for entry in entries:
        network, _, entry_port = entry.rpartition(":")
        if entry == place:
            return True
        if address is None or entry_port != port or "/" not in network:
            continue
        if address in ipaddress.ip_network(network.strip("[]"), strict=False):
            return True
    return False


def _not_listed(place: str, variable: str) -> str:
    return f"{place} is not in {variable}, so requests to it are refused. The environment decides, not the admin."
