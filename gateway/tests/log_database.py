"""The test database as the recorder sees it: by a pool of its own, or through a gate that can be shut."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from django.db import connection
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

Connection = psycopg.AsyncConnection[Any]
Pool = AsyncConnectionPool[Connection]
PORT = "5432"


def conninfo(**other: str) -> str:
    """How libpq reaches the test database."""
    settings = connection.settings_dict
    known = {
        "dbname": settings["NAME"],
        "user": settings["USER"],
        "password": settings["PASSWORD"],
        "host": settings["HOST"],
        "port": settings["PORT"],
    }
    return make_conninfo("", **{name: value for name, value in {**known, **other}.items() if value})


@asynccontextmanager
async def open_pool(info: str | None = None) -> AsyncIterator[Pool]:
    """A pool of up to three connections, closed at the end."""
    pool: Pool = AsyncConnectionPool(
        info or conninfo(), min_size=1, max_size=3, open=False, reconnect_timeout=1, timeout=0.2
    )
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def connect() -> AsyncIterator[Connection]:
    """One connection, in autocommit."""
    async with await psycopg.AsyncConnection.connect(conninfo(), autocommit=True) as opened:
        yield opened


async def fetch(query: str, *values: Any) -> list[Any]:
    """The rows of one query."""
    async with connect() as opened:
        return await (await opened.execute(query, values)).fetchall()


class Gate:
    """A socket in front of the database. Shut, it cuts every connection and refuses new ones."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="gate")
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def conninfo(self) -> str:
        """How libpq reaches the database through the gate."""
        return conninfo(host=self._directory.name, port=PORT, sslmode="disable")

    async def __aenter__(self) -> "Gate":
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.shut()
        self._directory.cleanup()

    async def open(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_unix_server(
            self._serve, Path(self._directory.name, f".s.PGSQL.{PORT}")
        )

    async def shut(self) -> None:
        """Cut every connection and take no more."""
        if self._server is not None:
            self._server.close()
            Path(self._directory.name, f".s.PGSQL.{PORT}").unlink(missing_ok=True)
            self._server = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        inner_reader, inner_writer = await open_database_socket()
        try:
            with suppress(OSError, asyncio.CancelledError):
                await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))
        finally:
            self._tasks.discard(task)
            for end in (writer, inner_writer):
                end.close()


async def open_database_socket() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A raw connection to where the database listens."""
    settings = connection.settings_dict
    host, port = settings["HOST"] or "/var/run/postgresql", settings["PORT"] or PORT
    if host.startswith("/"):
        return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
    return await asyncio.open_connection(host, int(port))


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Bytes from one side to the other, until either ends."""
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def until(condition: Any, seconds: float = 10.0) -> None:
    """Wait until the condition holds; fail when it does not in time."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
