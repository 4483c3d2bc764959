"""Names of upstreams → addresses, looked up in threads of their own: who hangs there holds up nobody else."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult

LOOKUP_LIMIT = 2.0  # seconds one lookup may take
FRESH = 20.0  # seconds a found address is used without asking again
LAST_GOOD = 60.0  # seconds it may serve in all while the resolver fails

AddrInfo = tuple[Any, ...]
Lookup = Callable[..., list[AddrInfo]]
Key = tuple[str, int, int]
Found = list[ResolveResult] | OSError


class CarefulResolver(AbstractResolver):
    """Asks the system, and notes in `names` what each name stood for.

    A lookup that takes longer than `limit` seconds counts as failed; one that fails is answered with the last good
    address while that is not older than LAST_GOOD. However many wait for a name, one thread asks for it.
    """

    def __init__(
        self,
        lookup: Lookup = socket.getaddrinfo,
        *,
        limit: float = LOOKUP_LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.names: dict[str, frozenset[str]] = {}
        self._lookup, self._limit, self._clock = lookup, limit, clock
        self._good: dict[Key, tuple[float, list[ResolveResult]]] = {}
        self._running: dict[Key, asyncio.Future[Found]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises OSError."""
        key = (host, port, int(family))
        try:
            async with asyncio.timeout(self._limit):
                found = await asyncio.shield(self._look_up(key))
        except TimeoutError:
            said = f"the resolver gave no answer for {host} within {self._limit:g} s"
            found = socket.gaierror(socket.EAI_AGAIN, said)
        return self._last_good(key, found) if isinstance(found, OSError) else found

    async def close(self) -> None:
        """Nothing to close: a thread that hangs ends with the process."""

    def _last_good(self, key: Key, error: OSError) -> list[ResolveResult]:
        found_at, good = self._good.get(key, (0.0, []))
        # Whoever asked keeps the answer for FRESH seconds more.
        if not good or self._clock() - found_at > LAST_GOOD - FRESH:
            raise error
        return good

    def _look_up(self, key: Key) -> asyncio.Future[Found]:
        running = self._running.get(key)
        if running is None:
            loop = asyncio.get_running_loop()
            running = self._running[key] = loop.create_future()
            # A thread of a pool would be waited for at the end of the process, however long it hangs.
            threading.Thread(target=self._ask, args=(loop, key), name="resolver", daemon=True).start()
        return running

    def _ask(self, loop: asyncio.AbstractEventLoop, key: Key) -> None:
        found: Found
        try:
            host, port, family = key
            infos = self._lookup(
                host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG
            )
            found = [result_of(host, info) for info in infos]
        except OSError as error:
            found = error
        except UnicodeError:
            found = socket.gaierror(socket.EAI_NONAME, f"{key[0]} is no name")
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(self._note, key, found)

    def _note(self, key: Key, found: Found) -> None:
        if not isinstance(found, OSError):
            self._good[key] = self._clock(), found
            self.names[key[0].lower()] = frozenset(result["host"] for result in found)
        running = self._running.pop(key)
        if not running.done():
            running.set_result(found)


def result_of(host: str, info: AddrInfo) -> ResolveResult:
    """One of getaddrinfo's answers as aiohttp reads it."""
    family, _, proto, _, address = info
    return ResolveResult(
        hostname=host,
        host=address[0],
        port=address[1],
        family=family,
        proto=proto,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
