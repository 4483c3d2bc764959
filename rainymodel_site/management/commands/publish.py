"""`manage.py publish`: the draft in the tables becomes the revision that serves."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from rainymodel_site.console.change.arrival import Arrival, wait_until_arrived
from routing.publish import PublishError, publish

AUTHOR = "manage.py publish"
PATIENCE = 5.0


class Command(BaseCommand):
    """Publishes also while operators hold publishing on save."""

    help = "Publish the catalogue's draft."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """A note and a reason for the revision's page, and whether to wait for the workers."""
        parser.add_argument("--note", default="", help="what changed, for the revision's page")
        parser.add_argument(
            "--reason", default="", help="why requests that are answered now may be left without a deployment"
        )
        parser.add_argument(
            "--wait", action="store_true", help="until every worker serves it; fails when one does not in 5 s"
        )

    def handle(self, *args: Any, note: str, reason: str, wait: bool, **options: Any) -> None:
        """Publish, and say under which number; warnings follow, one a line."""
        try:
            publication = publish(AUTHOR, note, reason=reason)
        except PublishError as error:
            raise CommandError(str(error)) from None
        number = publication.number
        self.stdout.write(
            f"Published as revision {number}."
            if publication.changed
            else f"Revision {number} is the draft already."
        )
        for finding in publication.warnings:
            self.stdout.write(str(finding))
        if wait:
            self.stdout.write(arrived(number, wait_until_arrived(number, PATIENCE)))


def arrived(number: int, arrival: Arrival | None) -> str:
    """A sentence about the workers; raises CommandError when one of them does not serve the revision."""
    if arrival is None or not arrival.places:
        return "No worker is alive; the next one begins with it."
    if arrival.is_complete:
        several = len(arrival.places) > 1
        return f"All {len(arrival.places)} workers serve it." if several else "The one worker serves it."
    late = ", ".join(f"{place.name} (revision {place.revision})" for place in arrival.missing)
    raise CommandError(f"Revision {number} is published, but not everywhere after {PATIENCE:.0f} s: {late}.")
