"""Write all that is stored about a person into one JSON file."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.actor import current_actor
from accounts.audit import record
from gateway.people.exporting import export
from gateway.people.person import NoSuchPerson, person_called


class Command(BaseCommand):
    """manage.py export --user NAME [--output FILE]"""

    help = "Write a person's account, keys (without secrets), requests, usage and stored prompts as one JSON file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Who, and where to."""
        parser.add_argument("--user", required=True, help="User name, e-mail address or id.")
        parser.add_argument(
            "--output", type=Path, help="The file; it must not exist yet. Default: person-ID.json."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """One file that only its owner may read."""
        try:
            person = person_called(options["user"])
        except NoSuchPerson as problem:
            raise CommandError(str(problem)) from None
        path = options["output"] or Path(f"person-{person.user.pk}.json")
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as problem:
            raise CommandError(
                f"{path} cannot be written: {problem.strerror}. Choose another --output."
            ) from None
        actor = current_actor()
        record(actor.name, "exported a person", person.user)
        with os.fdopen(descriptor, "wb") as file:
            export(person, file)
        self.stdout.write(
            f"Wrote {path}. It holds everything about {person.user} in clear text: keep it safe."
        )
