"""A worker's store for tests: its own pool on the test database, its own file, and a clock that is told to move."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool

from routing.sealing import read_ring
from routing.snapshot_file import SnapshotFile
from routing.store import SnapshotStore
from routing.tests.small_catalogue import surroundings

PEPPER = "pepper" * 8
NOWHERE = "postgresql://nobody@127.0.0.1:9/nothing?connect_timeout=1"
Story = Callable[[SnapshotStore], Awaitable[Any]]


class Clock:
    """A wall clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def with_store(
    story: Story, file: Path, clock: Clock, *, at: str = "", monotonic: Clock | None = None, **fields: Any
) -> Any:
    """Run the story on a store; `fields` are its surroundings', `at` is another database than the tests' own."""

    async def run() -> Any:
        async with AsyncConnectionPool(
            at or database(), min_size=0, max_size=2, timeout=1, open=False
        ) as pool:
            ring = read_ring(settings.SEALING_KEYS)
            clocks = (clock, monotonic or Clock())
            store = SnapshotStore(pool, surroundings(**fields), ring, SnapshotFile(file, PEPPER), *clocks)
            return await story(store)

    return asyncio.run(run())


def database() -> str:
    """Where the tests' database is, for libpq."""
    found = connection.settings_dict
    return make_conninfo(
        host=found["HOST"],
        port=found["PORT"] or None,
        user=found["USER"],
        password=found["PASSWORD"] or None,
        dbname=found["NAME"],
    )


def in_thread(work: Callable[..., Any], *args: Any) -> Awaitable[Any]:
    """Work with the ORM from inside a story."""
    return asyncio.get_running_loop().run_in_executor(None, _and_close, work, args)


def _and_close(work: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    try:
        return work(*args)
    finally:
        connection.close()
