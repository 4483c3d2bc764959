"""Which host names this gateway answers to; checked on its paths as Django checks it on the pages."""

from gateway.errors import BadRequest


class Hosts:
    """Which Host headers are answered to; every accepted one is remembered."""

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._allowed = allowed
        self._known: set[bytes] = set()

    def check(self, host: bytes | None) -> None:
        """Raises BadRequest for a host that is not ours."""
        if host in self._known:
            return
        name = (host or b"").decode("latin-1").lower()
        bare, colon, port = name.rpartition(":") if ":" in name and not name.endswith("]") else (name, "", "")
        if (colon and not port.isdigit()) or not any(matches(bare, pattern) for pattern in self._allowed):
            raise BadRequest("This host name is not served here.", code="unknown_host")
        if host is not None and len(self._known) < 1000:
            self._known.add(host)


def matches(host: str, pattern: str) -> bool:
    """Django's ALLOWED_HOSTS rule: exact, `.domain` with its subdomains, or `*` for anything that is a host name."""
    if pattern == "*":
        return bool(host) and not set(host) & set("/?#@\\ ")
    if pattern.startswith("."):
        return host == pattern[1:] or host.endswith(pattern)
    return host == pattern
