"""`manage.py import_litellm_config FILE`: litellm's config.yaml becomes providers, deployments and aliases."""

import os
import stat
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError

from rainymodel_site import env
from routing.document import CatalogueError
from routing.importers.errors import ImportRefused, shown
from routing.importers.litellm_import import Wish, import_litellm
from routing.importers.yaml_lines import MOST_BYTES
from routing.models import PublishingSwitch

VARIABLE = "LITELLM_CONFIG_PATH"


class Command(BaseCommand):
    """In addition to what the catalogue has: aliases that are there keep their routes unless asked."""

    help = "Import a litellm configuration, publish it, and report what was carried over and what was not."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which file, and how."""
        parser.add_argument("file", nargs="?", help="litellm's config.yaml")
        parser.add_argument("--dry-run", action="store_true", help="report only, change nothing")
        parser.add_argument(
            "--overwrite", action="store_true", help="the file wins over routes and rows that are here"
        )
        parser.add_argument(
            "--first-start", action="store_true", help=f"import {VARIABLE} once, and say nothing later"
        )

    def handle(
        self, *args: Any, file: str | None, dry_run: bool, overwrite: bool, first_start: bool, **options: Any
    ) -> None:
        """Import and report; exit with 1 and one sentence when the file cannot be used."""
        try:
            if first_start and PublishingSwitch.load().litellm_imported_at:
                return
            path = chosen_path(file, first_start=first_start)
            if path is None:
                return
            wish = Wish(shown(path.name), overwrite=overwrite, dry_run=dry_run, first_start=first_start)
            imported = import_litellm(read_file(path), wish, datetime.now(UTC))
        except (ImportRefused, CatalogueError) as error:
            name = shown(file or env.text(VARIABLE), 200)
            raise CommandError(f"{name}: {str(error).rstrip('.')}; nothing was changed.") from None
        except OperationalError:
            raise CommandError("The database does not answer; nothing was changed.") from None
        if imported is None:
            return
        self.stdout.write(imported.text)
        if imported.refused and not first_start:
            raise CommandError("Nothing was changed; see above.")


def chosen_path(file: str | None, *, first_start: bool) -> Path | None:
    """The file to import; None at a first start without one. Raises CommandError when none was named."""
    if file:
        return Path(file)
    if not first_start:
        raise CommandError(
            "Name the file to import: manage.py import_litellm_config config/litellm_config.yaml"
        )
    path = env.path(VARIABLE)
    return path if path.exists() or env.is_set(VARIABLE) else None


def read_file(path: Path) -> str:
    """The text of a file of an allowed size; raises ImportRefused."""
    try:
        # A pipe would be waited for; a device has no end.
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ImportRefused("it is not a file.")
        with path.open("rb") as handle:
            content = handle.read(MOST_BYTES + 1)
    except OSError as error:
        raise ImportRefused(f"it cannot be read ({error.strerror or type(error).__name__}).") from None
    if len(content) > MOST_BYTES:
        raise ImportRefused(f"it is larger than {MOST_BYTES // 1_000_000} MB.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ImportRefused("this is not UTF-8 text.", line) from None
