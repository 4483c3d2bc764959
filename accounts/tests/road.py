"""A way to Postgres that can be blocked and opened again, for the tests of what happens meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from django.db import connection


class Road:
    """Bytes pass in both directions while it is open; blocked, they wait and connections stay."""

    def __init__(self) -> None:
        self.port = 0
        self._open = asyncio.Event()
        self._open.set()
        self._tasks: set[asyncio.Task[None]] = set()

    def block(self) -> None:
        """Nothing passes from now on."""
        self._open.clear()

    def unblock(self) -> None:
        """What waits passes, and everything after it."""
        self._open.set()

    async def travel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        known = connection.settings_dict
        host, port = str(known["HOST"]), int(known["PORT"] or 5432)
        way = (
            asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
            if host.startswith("/")
            else asyncio.open_connection(host, port)
        )
        there, back = await way
        for one, other in ((reader, back), (there, writer)):
            task = asyncio.ensure_future(self._pass(one, other))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._open.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    async def close(self) -> None:
        """Drop what is still under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def road() -> AsyncIterator[Road]:
    """An open road to the tests' database, on a port of this machine."""
    opened = Road()
    server = await asyncio.start_server(opened.travel, "127.0.0.1", 0)
    opened.port = server.sockets[0].getsockname()[1]
    try:
        yield opened
    finally:
        server.close()
        await opened.close()
