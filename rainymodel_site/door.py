"""A worker accepts no connection while its process is short of file descriptors; those it has live on.

What is left above the mark serves the requests that run: their upstream connections, files, the database. Connections
wait in the system's queue meanwhile, or other workers take them.
"""

import asyncio
import os
import resource
import socket
from collections.abc import Awaitable, Callable, Sequence

import structlog

from gateway.lifecycle import Lifecycle

log = structlog.get_logger("rainymodel_site.door")
LOOK_SECONDS = 0.1
FULL, FREE = 0.80, 0.75  # parts of the soft limit at which accepting pauses and goes on
DESCRIPTORS = "/dev/fd"

Serve = Callable[[socket.socket], Awaitable[asyncio.Server]]


class Door:
    """Closes and opens the listeners of `servers`. `serve` makes a server of a socket, and owns the socket then."""

    def __init__(
        self,
        servers: list[asyncio.Server],
        sockets: Sequence[socket.socket],
        serve: Serve,
        lifecycle: Lifecycle,
    ) -> None:
        self._servers, self._serve, self._lifecycle = servers, serve, lifecycle
        self._sockets = sockets

    async def watch(self) -> None:
        """Look until cancelled; without a limit on file descriptors there is nothing to look for."""
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        while limit != resource.RLIM_INFINITY:
            await asyncio.sleep(LOOK_SECONDS)
            used = len(os.listdir(DESCRIPTORS))
            if not self._lifecycle.is_full and used >= FULL * limit:
                self._close(used, limit)
            elif self._lifecycle.is_full and used < FREE * limit:
                await self._open(used)

    def _close(self, used: int, limit: int) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        self._lifecycle.is_full = True
        self._lifecycle.times_full += 1
        log.warning("no connection is accepted: file descriptors run short", used=used, limit=limit)

    async def _open(self, used: int) -> None:
        for listener in self._sockets:
            self._servers.append(await self._serve(listener.dup()))
        self._lifecycle.is_full = False
        log.warning("connections are accepted again", used=used)
