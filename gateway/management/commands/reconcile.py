"""`manage.py reconcile`: is every admitted request accounted for?"""

import json
import sys
from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from gateway.journal.tally import MINUTE
from gateway.reconciliation import STEP, Account, counted_since, hours, minutes, whole_minute

DAY = timedelta(days=1)
MOST_MINUTES = 20
LONG = 24  # parts; from here on progress is shown
COLUMNS = ("admitted", "recorded", "set aside", "lost", "in flight", "left behind", "missing")


class Command(BaseCommand):
    """Exit status 0: all accounted for. 1: something is missing, or a dead worker's journal waits."""

    help = (
        "Prove for a window of minutes that admitted = recorded + set aside + lost + in flight. Exit status 1 when"
        " the sums differ, or when a dead worker's journal still waits to be written."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """`--since`, `--until`, `--json`."""
        parser.add_argument(
            "--since", type=moment, help="First minute, e.g. 2026-05-01T12:00 (UTC); a day ago."
        )
        parser.add_argument("--until", type=moment, help="End of the window, not in it; now.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Sum up, print, and say by the exit status whether the sums agree."""
        now = datetime.now(UTC)
        until = whole_minute(options["until"] or now + MINUTE)
        since = whole_minute(options["since"] or until - DAY)
        if since >= until:
            raise CommandError("--since must be earlier than --until.")
        began = counted_since()
        if began is None or began >= until:
            return self._say_nothing_there(since, until, as_json=options["json"])
        total, bad = self._sum_up(max(since, began), until)
        if options["json"]:
            self.stdout.write(json.dumps(document(total, bad)))
        else:
            self._print(total, bad, began if began > since else None)
        if bad:
            sys.exit(1)
        return None

    def _sum_up(self, since: datetime, until: datetime) -> tuple[Account, list[Account]]:
        """The whole window, and its minutes that are not settled."""
        total, bad, parts = Account(since, until), list[Account](), -(-(until - since) // STEP)
        for number, (begin, end) in enumerate(hours(since, until), start=1):
            for minute in minutes(begin, end):
                total += minute
                bad += [] if minute.is_settled else [minute]
            if parts >= LONG and number % LONG == 0:
                self.stderr.write(f"{end:%Y-%m-%d %H:%M} UTC: {number} of {parts} hours")
        return total, bad

    def _say_nothing_there(self, since: datetime, until: datetime, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(document(Account(since, until), [])))
        else:
            self.stdout.write(f"No request was admitted {window(Account(since, until))}.")

    def _print(self, total: Account, bad: list[Account], began: datetime | None) -> None:
        if began is not None:
            self.stdout.write(f"Requests have been counted since {began:%Y-%m-%d %H:%M} UTC.")
        self.stdout.write(f"Requests admitted {window(total)}:")
        for name, number in zip(COLUMNS, numbers(total), strict=True):
            self.stdout.write(f"  {name:<12}{number:>12,}")
        if not bad:
            self.stdout.write("Every request is accounted for.")
            return
        self.stdout.write(verdict(bad))
        self.stdout.write("  ".join(["minute (UTC)    ", *(f"{name:>11}" for name in COLUMNS)]))
        for each in bad[:MOST_MINUTES]:
            cells = (f"{number:>11,}" for number in numbers(each))
            self.stdout.write("  ".join([f"{each.since:%Y-%m-%d %H:%M}", *cells]))
        if len(bad) > MOST_MINUTES:
            self.stdout.write(f"… and {len(bad) - MOST_MINUTES:,} more minutes; `--json` lists them all.")


def moment(text: str) -> datetime:
    """A time of day from the command line; without an offset it is UTC."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a time like 2026-05-01T12:00") from None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def numbers(account: Account) -> tuple[int, ...]:
    """One number for each of COLUMNS."""
    return tuple(getattr(account, name.replace(" ", "_")) for name in COLUMNS)


def window(account: Account) -> str:
    """From when to when."""
    return f"from {account.since:%Y-%m-%d %H:%M} until {account.until:%Y-%m-%d %H:%M} UTC"


def verdict(bad: list[Account]) -> str:
    """What is wrong, and what to do."""
    missing = sum(max(0, each.missing) for each in bad)
    unknown = sum(max(0, -each.missing) for each in bad)
    left_behind = sum(each.left_behind for each in bad)
    said = [
        f"{missing:,} requests have no row (docs/runbook.md: requests without a row)." if missing else "",
        f"{unknown:,} rows belong to no admitted request (docs/runbook.md: requests without a row)." if unknown else "",
        f"{left_behind:,} requests were left behind by workers that are silent. A worker on the same machine, with the"
        " same state directory, writes their rows." if left_behind else "",
    ]  # fmt: skip
    return "\n".join(filter(None, said))


def document(total: Account, bad: list[Account]) -> dict[str, Any]:
    """The same for programs."""
    return {**members(total), "settled": not bad, "minutes": [members(each) for each in bad]}


def members(account: Account) -> dict[str, Any]:
    """One window, with its numbers by name."""
    by_name = dict(zip((name.replace(" ", "_") for name in COLUMNS), numbers(account), strict=True))
    return {"since": account.since.isoformat(), "until": account.until.isoformat(), **by_name}
