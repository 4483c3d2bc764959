"""`manage.py prices`: what the price file would change, and with --apply changing it."""

import sys
from argparse import ArgumentParser
from datetime import UTC, date, datetime, time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from routing import price_file
from routing.models import Provider
from routing.price_proposals import Proposal, proposals, take_over
from routing.published import publish_in_words

AUTHOR = "manage.py prices"


class Command(BaseCommand):
    """Shows a difference; nothing is changed without a yes, and no old price row is ever changed."""

    help = "Propose price changes from the bundled price file; --apply takes them over."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which provider's, from when on, and whether to take them over."""
        parser.add_argument("--provider", default="", metavar="SLUG", help="only this provider's deployments")
        parser.add_argument(
            "--from", dest="starts", metavar="DATE", help="in force from this day on, UTC (default: now)"
        )
        parser.add_argument("--apply", action="store_true", help="take the changes over, after a question")
        parser.add_argument("--yes", action="store_true", help="with --apply: do not ask")

    def handle(
        self, *args: Any, provider: str, starts: str | None, apply: bool, yes: bool, **options: Any
    ) -> None:
        """Print the difference, ask, take over, publish."""
        if provider and not Provider.objects.filter(slug=provider).exists():
            raise CommandError(f"There is no provider {provider!r}.")
        moment = read_start(starts)
        found = proposals(provider, at=moment)
        if not found:
            self.stdout.write(f"No price differs from the price file of litellm {price_file.version()}.")
            return
        self._show(found)
        if not apply:
            self.stdout.write(
                f"{len(found)} deployments. Nothing was changed; --apply takes these prices over."
            )
        elif yes or self._agreed(len(found)):
            taken = take_over(found, moment)
            self.stdout.write(f"{len(taken)} deployments have new prices. {publish_in_words(AUTHOR)}")
        else:
            self.stdout.write("Nothing was changed.")

    def _show(self, found: tuple[Proposal, ...]) -> None:
        for proposal in found:
            self.stdout.write(f"{proposal.deployment}   ({proposal.source})")
            for change in proposal.changes:
                name = change.field.replace("_", " ")
                self.stdout.write(f"  {name:<13}{change.now or 'unknown':>10} → {change.then}")

    def _agreed(self, count: int) -> bool:
        if not sys.stdin.isatty():
            raise CommandError("Nothing was changed: there is nobody to ask here. Answer with --yes.")
        return input(f"Take over these prices of {count} deployments? [y/N] ").strip().lower() in ("y", "yes")


def read_start(text: str | None) -> datetime | None:
    """The first moment of a day that is not over, None for now; raises CommandError."""
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--from takes a day such as 2027-01-31; {text[:40]!r} is none.") from None
    today = timezone.now().date()
    if day < today:
        raise CommandError("--from must not lie in the past: what was served then was charged at its price.")
    return None if day == today else datetime.combine(day, time(), UTC)
