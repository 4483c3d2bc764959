"""`manage.py export_revision N`: a revision, or the draft, as a text file to review and to keep."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from routing.draft import DRAFT, export_text
from routing.publish import UnknownRevision


class Command(BaseCommand):
    """Equal catalogues give equal files. Secrets are never in them."""

    help = "Write a revision of the catalogue, or its draft, as JSON to standard output."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which one."""
        parser.add_argument("which", help="the number of a revision, or: draft")

    def handle(self, *args: Any, which: str, **options: Any) -> None:
        """Write the file."""
        if which != DRAFT and not which.isdecimal():
            raise CommandError(f"{which!r} is neither the number of a revision nor the word draft.")
        try:
            self.stdout.write(export_text(which), ending="")
        except UnknownRevision as error:
            raise CommandError(str(error)) from None
