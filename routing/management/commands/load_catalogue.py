"""`manage.py load_catalogue`: bring a reviewed seed file into the tables and publish what changed."""

import os
from argparse import ArgumentParser
from collections.abc import Container
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError

from routing import seeds
from routing.catalogue import read_document
from routing.document import CatalogueError
from routing.environment import address_warning, readiness
from routing.importers.litellm_steps import report_providers
from routing.importers.report import Report
from routing.loader import LoadReport, load_rows
from routing.provider_secrets import surroundings_here
from routing.publish import PublishError, newest_revision, publish, publish_saved

SEEDS = Path(seeds.__file__).parent
START = "start"  # its providers are an offer: whichever has a key is used
AUTHOR = "load_catalogue"


class Command(BaseCommand):
    """Loading again changes nothing, and never overwrites an operator's edit unless asked."""

    help = "Load a seed (by name) or a file into the catalogue, and publish when something changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which seed, and whether it wins over what operators edited."""
        parser.add_argument(
            "source", nargs="?", default=START, help="a seed's name, or a file (default: start)"
        )
        parser.add_argument(
            "--overwrite", action="store_true", help="also replace edited rows, bring back deleted ones"
        )

    def handle(self, *args: Any, source: str, overwrite: bool, **options: Any) -> None:
        """Load, publish, and say in one sentence what happened."""
        data = read_seed(source)
        try:
            report = load_rows(data, overwrite=overwrite)
        except CatalogueError as error:
            raise CommandError(f"{source}: {error}") from None
        self.stdout.write(f"Catalogue {source}: {report.sentence()}{published(report)}")
        for name, reason in report.left_out.items():
            self.stdout.write(f"  left out: {name} ({reason}; --overwrite brings it back)")
        if source != START:
            for line in missing_here(data.get("providers") or {}):
                self.stdout.write(f"  {line}")


def read_seed(source: str) -> dict[str, Any]:
    """The data of a named seed or of a YAML file; raises CommandError when it cannot be read."""
    named = {file.stem: file for file in SEEDS.glob("*.yaml")}
    path = named.get(source, Path(source))
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise CommandError(
            f"{source} is neither a seed ({', '.join(sorted(named))}) nor a file that can be read ({why})."
        ) from None
    except yaml.YAMLError as error:
        raise CommandError(f"{source} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise CommandError(f"{source} does not hold sections.")
    return data


def missing_here(slugs: Container[str]) -> list[str]:
    """Of these providers those that cannot be called from here, each with the reason, then what to set."""
    providers = [entry for entry in read_document()["providers"] if entry["slug"] in slugs]
    surroundings, report = surroundings_here(), Report()
    waiting = [
        entry
        for entry in providers
        if entry["enabled"]
        and (readiness(entry, surroundings).unready or address_warning(entry, surroundings))
    ]
    report_providers(waiting, surroundings, os.environ, report)
    return [*report.providers, *report.next_steps]


def published(report: LoadReport) -> str:
    """Publish what was loaded, and always the very first revision; says what came of it.

    Where a revision serves already, a draft that an operator has left with errors does not stop a start.
    """
    serves = newest_revision() is not None
    if serves and not report.changed:
        return ""
    try:
        publication = publish_saved(AUTHOR) if serves else publish(AUTHOR)
    except PublishError as error:
        if not serves:
            raise CommandError(f"Nothing serves. {error}") from None
        return f" {error}"
    if publication is None:
        return " Publishing is held, so this is a draft."
    return f" Published as revision {publication.number}." if publication.changed else ""
