"""Make the local operator."""

from typing import Any

from django.core.management.base import BaseCommand

from accounts.signin import ensure_local_operator


class Command(BaseCommand):
    """manage.py create_operator"""

    help = "Make the local operator, an admin who signs in by link; an existing one stays as it is."

    def handle(self, *args: Any, **options: Any) -> None:
        """Make sure it is there."""
        user = ensure_local_operator()
        self.stdout.write(
            f"{user.get_username()} ({user.get_role_display()}) can sign in with `manage.py signin_link`."
        )
