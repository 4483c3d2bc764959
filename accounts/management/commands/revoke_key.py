"""Revoke an API key for good."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.issue import revoke_keys
from accounts.keys import KID_LENGTH, PREFIX
from accounts.models import ApiKey


class Command(BaseCommand):
    """manage.py revoke_key KID"""

    help = "Revoke an API key; running gateways refuse it within 2 s."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which key."""
        parser.add_argument(
            "kid", help="The key's id: the eight characters after sk-rm_. The beginning of a key works too."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Revoke, or say in one sentence why not."""
        kid = options["kid"].strip().removeprefix(PREFIX)[:KID_LENGTH]
        row = ApiKey.objects.filter(kid=kid).first()
        if row is None:
            raise CommandError(f"There is no key with the id {kid!r}.")
        if row.revoked_at is not None:
            raise CommandError(
                f"The key “{row.label}” was revoked on {row.revoked_at:%Y-%m-%d at %H:%M} UTC already."
            )
        revoke_keys([row.pk])
        self.stdout.write(f"Revoked the key “{row.label}” (…{row.last_four}) of {row.owner}.")
