"""One tuned aiohttp session for each address class, shared by every request of the worker."""

import asyncio
import socket
from contextvars import ContextVar
from typing import Any

import aiohttp

from gateway.upstream.addresses import AddressRules, guarded_socket
from gateway.upstream.names import FRESH, CarefulResolver, Lookup

_from_pool: ContextVar[bool] = ContextVar("from_pool", default=False)


def came_from_pool() -> bool:
    """Whether this task's last request went out on a connection that had been used before."""
    return _from_pool.get()


def note_use(protocol: Any) -> None:
    """This task's request goes out on the connection that this protocol serves."""
    _from_pool.set(getattr(protocol, "was_used", False))
    protocol.was_used = True


class NotingRequest(aiohttp.ClientRequest):
    """Notes whether its connection is fresh. aiohttp's own tracing says it too, at four times the price."""

    async def send(self, conn: Any) -> aiohttp.ClientResponse:
        """Send as usual, but never where something came while the connection lay in the pool."""
        note_use(conn.protocol)
        if conn.protocol.should_close:
            raise aiohttp.ServerDisconnectedError
        return await super().send(conn)


class Sessions:
    """Opens sessions when they are first needed and closes them all at the end. `lookup` asks the name service."""

    def __init__(self, rules: AddressRules, lookup: Lookup = socket.getaddrinfo) -> None:
        self._rules, self._lookup = rules, lookup
        self._sessions: dict[tuple[str, bool], aiohttp.ClientSession] = {}

    def for_class(self, address_class: str, *, fresh: bool = False) -> aiohttp.ClientSession:
        """The session that providers of this address class use; `fresh`: the one that never reuses a connection."""
        session = self._sessions.get((address_class, fresh))
        if session is None:
            session = self._sessions[address_class, fresh] = self._open(address_class, fresh)
        return session

    def connector(self, address_class: str, *, fresh: bool = False) -> aiohttp.BaseConnector:
        """The pool of that session, with its rules."""
        connector = self.for_class(address_class, fresh=fresh).connector
        assert connector is not None
        return connector

    def _open(self, address_class: str, fresh: bool) -> aiohttp.ClientSession:
        resolver = CarefulResolver(self._lookup)
        reuse: dict[str, Any] = {"force_close": True} if fresh else {"keepalive_timeout": 30}
        connector = aiohttp.TCPConnector(
            limit=0,
            ttl_dns_cache=int(FRESH),
            resolver=resolver,
            socket_factory=guarded_socket(self._rules, address_class, resolver.names),
            **reuse,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            timeout=aiohttp.ClientTimeout(total=None),
            request_class=NotingRequest,
        )

    async def close(self) -> None:
        """Close every session; their connections with them."""
        sessions, self._sessions = self._sessions, {}
        await asyncio.gather(*(session.close() for session in sessions.values()))
