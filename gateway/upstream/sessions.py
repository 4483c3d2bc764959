"""One tuned aiohttp session for each address class, shared by every request of the worker."""

import asyncio

import aiohttp

from gateway.upstream.addresses import AddressRules, guarded_socket

NAME_LIFETIME = 60  # seconds a resolved name is reused


class Sessions:
    """Opens sessions when they are first needed and closes them all at the end."""

    def __init__(self, rules: AddressRules) -> None:
        self._rules = rules
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    def for_class(self, address_class: str) -> aiohttp.ClientSession:
        """The session that providers of this address class use."""
        session = self._sessions.get(address_class)
        if session is None:
            session = self._sessions[address_class] = self._open(address_class)
        return session

    def _open(self, address_class: str) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,
            ttl_dns_cache=NAME_LIFETIME,
            keepalive_timeout=30,
            socket_factory=guarded_socket(self._rules, address_class),
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),
            trace_configs=[reuse_trace()],
        )

    async def close(self) -> None:
        """Close every session; their connections with them."""
        sessions, self._sessions = self._sessions, {}
        await asyncio.gather(*(session.close() for session in sessions.values()))


def reuse_trace() -> aiohttp.TraceConfig:
    """Notes on the request's own dict that a pooled connection was used, for the one free re-send."""

    async def reused(_session: aiohttp.ClientSession, context: object, _params: object) -> None:
        noted = getattr(context, "trace_request_ctx", None)
        if isinstance(noted, dict):
            noted["reused"] = True

    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(reused)
    return trace
