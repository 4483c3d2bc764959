"""Forget a person: remove what they said, blank what names them, keep what was spent."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gateway.people.forgetting import counts_of, forget
from gateway.people.person import NoSuchPerson, person_called

STAYS = (
    "The figures and costs of the requests stay, and so does the audit of who changed what, which nothing may change. "
    "Requests that other people's programs sent for this person keep the name they were given."
)


class Command(BaseCommand):
    """manage.py forget --user NAME [--yes]"""

    help = "Forget a person. Without --yes it only says what there is; with it, it cannot be undone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Who, and whether really."""
        parser.add_argument("--user", required=True, help="User name, e-mail address or id.")
        parser.add_argument("--yes", action="store_true", help="Do it.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Count, and forget when told to."""
        try:
            person = person_called(options["user"])
        except NoSuchPerson as problem:
            raise CommandError(str(problem)) from None
        counts = counts_of(person)
        told = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        if not options["yes"]:
            self.stdout.write(
                f"There is of {person.user}: {told}.\n{STAYS}\nNothing was changed. Add --yes to forget."
            )
            return
        forget(person, counts)
        self.stdout.write(
            f"Forgotten: {told}. {STAYS}\nRequests that were under way end within minutes; to blank those too, run "
            f"this again then with --user {person.user.pk}."
        )
