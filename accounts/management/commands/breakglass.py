"""Print a link that signs a local operator in while single sign-on does not work, in production too."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Role, User
from accounts.signin import LINK_MINUTES, ensure_local_operator, make_link
from accounts.site import site_address


class Command(BaseCommand):
    """manage.py breakglass [--user NAME]"""

    help = "Print a link that signs the local operator, or another admin, in once. For when single sign-on fails."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whom."""
        parser.add_argument("--user", help="User name of an admin; without one, the local operator.")

    def handle(self, *args: Any, **options: Any) -> None:
        """One link, or one sentence that says why there is none."""
        user = find_admin(options["user"]) if options["user"] else ensure_local_operator()
        if not user.is_active:
            raise CommandError(f"The user {user.get_username()} is switched off.")
        self.stdout.write(f"{site_address()}{make_link(user, break_glass=True)}")
        self.stderr.write(
            f"It signs {user.get_username()} in, once, within {LINK_MINUTES} minutes, for an hour. It is on record."
        )


def find_admin(username: str) -> User:
    """The admin with this name."""
    user = User.objects.filter(username=username).first()
    if user is None or user.role != Role.ADMIN:
        raise CommandError(f"There is no admin {username!r}.")
    return user
