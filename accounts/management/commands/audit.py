"""Check the audit."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.audit import verify
from accounts.models import AuditEntry


class Command(BaseCommand):
    """manage.py audit verify"""

    help = "Check that no entry of the audit was changed, removed or slipped in."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to do."""
        parser.add_argument("task", choices=["verify"])

    def handle(self, *args: Any, **options: Any) -> None:
        """Say that the chain holds, or where it breaks and fail."""
        broken = verify()
        if broken is not None:
            raise CommandError(f"The audit was tampered with: the chain breaks at entry {broken}.")
        self.stdout.write(f"The audit is whole: {AuditEntry.objects.count()} entries.")
