"""`manage.py import_backends FILE`: Open LLM Router's backends.json becomes providers, deployments and aliases."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from routing.document import CatalogueError
from routing.importers.backends_import import import_backends
from routing.importers.errors import ImportRefused, shown
from routing.importers.litellm_import import Wish
from routing.management.commands.import_litellm_config import read_file


class Command(BaseCommand):
    """In addition to what the catalogue has: aliases that are there keep their routes unless asked."""

    help = "Import a backends.json or models.json, publish it, and report what was carried over and what was not."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which file, and how."""
        parser.add_argument("file", help="backends.json or models.json; docs/importing.md shows both forms")
        parser.add_argument("--dry-run", action="store_true", help="report only, change nothing")
        parser.add_argument(
            "--overwrite", action="store_true", help="the file wins over routes and rows that are here"
        )

    def handle(self, *args: Any, file: str, dry_run: bool, overwrite: bool, **options: Any) -> None:
        """Import and report; exit with 1 and one sentence when the file cannot be used."""
        path = Path(file)
        try:
            wish = Wish(shown(path.name), overwrite=overwrite, dry_run=dry_run)
            imported = import_backends(read_file(path), wish, datetime.now(UTC))
        except (ImportRefused, CatalogueError) as error:
            raise CommandError(
                f"{shown(file, 200)}: {str(error).rstrip('.')}; nothing was changed."
            ) from None
        except OperationalError:
            raise CommandError("The database does not answer; nothing was changed.") from None
        self.stdout.write(imported.text)
        if imported.refused:
            raise CommandError("Nothing was changed; see above.")
