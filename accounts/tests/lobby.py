"""A directory of callers on the test database, driven from synchronous tests."""

import asyncio
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from accounts.caller import Caller
from accounts.callers import CallerDirectory

Value = TypeVar("Value")


class Clock:
    """A clock that stands until a test moves it."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Line:
    """The way to the database: a pool that can be cut off and replaced, and counts how often it is used."""

    def __init__(self, pool: AsyncConnectionPool) -> None:
        self.pool, self.used = pool, 0

    def connection(self) -> Any:
        """What a directory asks of a pool."""
        self.used += 1
        return self.pool.connection()


class Lobby:
    """A directory with its way to the database, its clocks and the loop they live on."""

    def __init__(self, runner: asyncio.Runner, line: Line, **options: Any) -> None:
        self._runner, self.line = runner, line
        self.wall, self.monotonic = Clock(1_800_000_000.0), Clock(1_000.0)
        self.directory = CallerDirectory(
            line, settings.KEY_PEPPER, clock=self.wall, monotonic=self.monotonic, **options
        )

    def run(self, work: Awaitable[Value]) -> Value:
        """Finish this work."""

        async def finish() -> Value:
            return await work

        return self._runner.run(finish())

    def enter(self, credential: str) -> Caller:
        """What the gateway does with a credential: memory first, then the look-up."""
        return self.directory.find(credential) or self.run(self.directory.look_up(credential))

    def poll(self) -> None:
        """What the gateway does every two seconds."""
        self.run(self.directory.check_for_changes())

    def cut_database(self) -> None:
        """From here on the database does not answer."""
        self.run(self.line.pool.close())

    def restore_database(self) -> None:
        """It answers again."""
        self.line.pool = self.run(open_pool())


@contextmanager
def lobby(**options: Any) -> Iterator[Lobby]:
    """An open lobby on the test database."""
    with asyncio.Runner() as runner:
        line = Line(runner.run(open_pool()))
        try:
            yield Lobby(runner, line, **options)
        finally:
            runner.run(line.pool.close())


async def open_pool() -> AsyncConnectionPool:
    """A pool like the gateway's, on the test database."""
    pool = AsyncConnectionPool(database_address(), min_size=1, max_size=2, open=False, timeout=2)
    await pool.open(wait=True)
    return pool


def database_address() -> str:
    """The test database, for connections that are not Django's."""
    known = connection.settings_dict
    parts = {"dbname": known["NAME"], "user": known["USER"], "password": known["PASSWORD"]}
    place = {"host": known["HOST"], "port": known["PORT"]}
    return make_conninfo(**{name: value for name, value in {**parts, **place}.items() if value})
