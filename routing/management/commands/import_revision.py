"""`manage.py import_revision FILE`: the draft becomes what an exported file says."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from routing.catalogue_text import FileRefused
from routing.draft import import_text, preview_import
from routing.publish import PublishError

AUTHOR = "manage.py import_revision"


class Command(BaseCommand):
    """Nothing is published by it; publishing is held, so that no save publishes it unseen."""

    help = "Bring a file of export_revision into the draft, and say what changes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which file, and whether only to look."""
        parser.add_argument("file", type=Path, help="a file of manage.py export_revision")
        parser.add_argument("--dry-run", action="store_true", help="only say what would change")

    def handle(self, *args: Any, file: Path, dry_run: bool, **options: Any) -> None:
        """Import, and print one line for each change."""
        try:
            text = file.read_text(encoding="utf-8-sig")
            changes = preview_import(text).changes if dry_run else import_text(text, AUTHOR, file.name)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise CommandError(f"{file} cannot be read: {why}.") from None
        except (FileRefused, PublishError) as error:
            raise CommandError(f"{file}: {error}") from None
        for line in (line for change in changes for line in change.lines):
            self.stdout.write(line)
        if not changes:
            self.stdout.write("The draft says that already.")
        elif not dry_run:
            self.stdout.write(
                "It is in the draft, and publishing is held. Review it, then: manage.py publish"
            )
