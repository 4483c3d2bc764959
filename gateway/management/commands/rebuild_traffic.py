"""`manage.py rebuild_traffic`: the roll-ups made anew from the log, or the proof that they agree with it."""

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from gateway.management.commands.reconcile import moment
from gateway.traffic.rebuild import differences, rebuild


class Command(BaseCommand):
    """Exit status 1 with `--check` when a table differs from the log."""

    help = (
        "Make the roll-ups of traffic anew from the request log, day by day (UTC). With --check nothing is changed:"
        " every table is compared with the log, and the exit status is 1 when one differs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """`--since`, `--until`, `--check`."""
        parser.add_argument("--since", type=moment, help="First day, e.g. 2026-05-01 (UTC); yesterday.")
        parser.add_argument("--until", type=moment, help="End of the last day; now.")
        parser.add_argument("--check", action="store_true", help="Compare and change nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Walk the days and say how each went."""
        until = options["until"] or datetime.now(UTC)
        since = options["since"] or until - timedelta(days=1)
        if since >= until:
            raise CommandError("--since must be earlier than --until.")
        if options["check"]:
            return self._check(since, until)
        for day in rebuild(since, until):
            self.stdout.write(f"{day:%Y-%m-%d} rolled up")
        return None

    def _check(self, since: datetime, until: datetime) -> None:
        days = bad = 0
        for day, found in differences(since, until):
            days += 1
            bad += bool(found)
            for each in found:
                self.stdout.write(
                    f"{day:%Y-%m-%d} {each.table}: {each.wrong} rows are wrong, {each.missing} are missing"
                )
        if bad:
            self.stdout.write(
                f"{bad} of {days} days differ. `manage.py rebuild_traffic --since …` makes them anew."
            )
            sys.exit(1)
        self.stdout.write(f"Log and roll-ups agree on all {days} days that the log holds.")
