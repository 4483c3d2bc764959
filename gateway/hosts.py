"""Which host names this gateway answers to; checked on its paths as Django checks it on the pages."""

import re

from gateway.errors import BadRequest

# A name of letters, digits, hyphens and the underscores of container networks, or an IPv6 address; then a port.
NAME = r"([a-z0-9_-]+(?:\.[a-z0-9_-]+)*)\.?"
HOST = re.compile(rf"(?:{NAME}|(\[[0-9a-f]*:[0-9a-f:.]+\]))(?::[0-9]{{1,5}})?")
LONGEST = 300
REMEMBERED = 1000


class Hosts:
    """Which Host headers are answered to; accepted ones are remembered."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._allowed = tuple(pattern.lower() for pattern in allowed)
        self._known: set[bytes] = set()

    def check(self, host: bytes | None) -> None:
        """Raises BadRequest for a host that is not ours, is malformed, or is missing."""
        if host in self._known:
            return
        name = bare_name(host or b"")
        if not name or not any(matches(name, pattern) for pattern in self._allowed):
            raise BadRequest("This host name is not served here.", code="unknown_host")
        if host is not None and len(self._known) < REMEMBERED:
            self._known.add(host)


def bare_name(host: bytes) -> str:
    """A Host header's name in lower case, without its port and the root's trailing dot; empty when malformed."""
    if len(host) > LONGEST or not host.isascii():
        return ""
    found = HOST.fullmatch(host.decode("ascii").lower())
    return found[1] or found[2] if found else ""


def matches(name: str, pattern: str) -> bool:
    """Django's ALLOWED_HOSTS rule, both in lower case: exact, `.domain` with its subdomains, or `*` for any name."""
    if pattern.startswith("."):
        return name == pattern[1:] or name.endswith(pattern)
    return pattern in ("*", name)
