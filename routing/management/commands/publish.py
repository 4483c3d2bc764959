"""`manage.py publish`: the draft in the tables becomes the revision that serves."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from routing.publish import PublishError, publish


class Command(BaseCommand):
    """Publishes also while operators hold publishing on save."""

    help = "Publish the catalogue's draft."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """A note for the revision's page."""
        parser.add_argument("--note", default="", help="what changed, for the revision's page")

    def handle(self, *args: Any, note: str, **options: Any) -> None:
        """Publish, and say under which number; warnings follow, one a line."""
        try:
            publication = publish("manage.py publish", note)
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
