"""`manage.py partitions`: look after the request log's partitions by hand."""

import asyncio
from datetime import UTC, date, datetime
from typing import Any

import psycopg
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from psycopg.conninfo import make_conninfo

from gateway.partitions import drop_expired, ensure_partitions
from rainymodel_site import env


class Command(BaseCommand):
    """Does what every worker does by itself from time to time."""

    help = "Make the request log's coming daily partitions and drop the expired ones."

    def add_arguments(self, parser: CommandParser) -> None:
        """`--keep-days` and `--ahead`."""
        keep_days = env.number("RAINYMODEL_LOG_DAYS", low=1, high=3650)
        parser.add_argument("--keep-days", type=int, default=keep_days, help="Days to keep (%(default)s).")
        parser.add_argument("--ahead", type=int, default=3, help="Coming days to prepare (%(default)s).")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run once and say what was done."""
        if options["keep_days"] < 1 or options["ahead"] < 0:
            raise CommandError("--keep-days must be at least 1 and --ahead not negative.")
        try:
            created, dropped = asyncio.run(run_once(options["keep_days"], options["ahead"]))
        except psycopg.errors.LockNotAvailable:
            raise CommandError("The request log is busy just now; try again in a moment.") from None
        self.stdout.write(f"Made: {listed(created)}. Dropped: {listed(dropped)}.")


async def run_once(keep_days: int, ahead: int) -> tuple[tuple[date, ...], tuple[date, ...]]:
    """The days made and the days dropped, over a connection of its own."""
    today = datetime.now(UTC).date()
    async with await psycopg.AsyncConnection.connect(database(), autocommit=True) as opened:
        return await ensure_partitions(opened, today, ahead), await drop_expired(opened, today, keep_days)


def database() -> str:
    """Django's database, as libpq names it."""
    params = connection.get_connection_params()
    for not_libpq in ("cursor_factory", "context", "prepare_threshold", "pool"):
        params.pop(not_libpq, None)
    return make_conninfo("", **params)


def listed(days: tuple[date, ...]) -> str:
    """Days as text."""
    return ", ".join(day.isoformat() for day in days) or "nothing"
