"""`manage.py fake_traffic`: a request log full of traffic that never was, with its roll-ups."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction

from gateway.partitions import LOCK, TABLE, creation, partition_name
from gateway.traffic.fake import DRAWN, STATED, Traffic, hours_of
from gateway.traffic.rebuild import rebuild
from gateway.traffic.roll_up import SKIP

COPY = f"COPY {TABLE} ({', '.join((*DRAWN, *STATED))}) FROM STDIN"


class Command(BaseCommand):
    """Writes rows of the past days; those that are there stay."""

    help = "Fill the request log with made-up traffic of the past days, for trials and measurements."

    def add_arguments(self, parser: CommandParser) -> None:
        """`--rows`, `--days`, `--seed`, `--force`."""
        parser.add_argument("--rows", type=int, default=100_000, help="How many rows (%(default)s).")
        parser.add_argument("--days", type=int, default=30, help="Over how many days (%(default)s).")
        parser.add_argument(
            "--seed", type=int, default=1, help="The same seed makes the same mix (%(default)s)."
        )
        parser.add_argument("--force", action="store_true", help="Also in production.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the rows hour by hour, then make the roll-ups of these days anew."""
        if settings.IS_PRODUCTION and not options["force"]:
            raise CommandError(
                "This is production: made-up rows would stand beside real ones. --force does it all the same."
            )
        if options["rows"] < 1 or not 1 <= options["days"] <= 400:
            raise CommandError("--rows must be at least 1 and --days between 1 and 400.")
        now, began = datetime.now(UTC), time.monotonic()
        self._write(Traffic(options["seed"]), options["rows"], options["days"], now)
        self.stdout.write(
            f"{options['rows']:,} rows after {time.monotonic() - began:.0f} s; now their roll-ups."
        )
        for day in rebuild(now - timedelta(days=options["days"]), now):
            self.stdout.write(f"{day:%Y-%m-%d} rolled up after {time.monotonic() - began:.0f} s")

    def _write(self, traffic: Traffic, rows: int, days: int, now: datetime) -> None:
        done = 0
        for hour, count in hours_of(rows, days, now):
            make_partition(hour)
            copy_rows(traffic.lines(hour, count))
            done += count
            if hour.hour == 23:
                self.stdout.write(f"{hour:%Y-%m-%d}: {done:,} of {rows:,} rows")


@transaction.atomic
def copy_rows(lines: Iterator[bytes]) -> None:
    """Put rows into the log and not into the roll-ups, which are made afterwards."""
    with connection.cursor() as cursor:
        cursor.execute(SKIP)
        with cursor.copy(COPY) as copy:
            while some := b"".join(islice(lines, 1000)):
                copy.write(some)


@transaction.atomic
def make_partition(moment: datetime) -> None:
    """The partition of a day, unless it is there."""
    day = moment.date()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        cursor.execute("SELECT to_regclass(%s)", (partition_name(day),))
        if cursor.fetchone() == (None,):
            for statement in creation(day):
                cursor.execute(statement)
