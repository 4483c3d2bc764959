"""Print a link that signs in once (development mode)."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import Role, User
from accounts.signin import LINK_MINUTES, ensure_local_operator, make_link
from accounts.site import site_address


class Command(BaseCommand):
    """manage.py signin_link [--user NAME]"""

    help = "Print a link that signs the local operator, or another user, in once. Development mode only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whom."""
        parser.add_argument("--user", help="User name; without one, the local operator.")

    def handle(self, *args: Any, **options: Any) -> None:
        """One link, or one sentence that says why there is none."""
        if settings.IS_PRODUCTION:
            raise CommandError("Sign-in links work in development mode only (RAINYMODEL_ENV=development).")
        user = find_person(options["user"]) if options["user"] else ensure_local_operator()
        if not user.is_active:
            raise CommandError(f"The user {user.get_username()} is switched off.")
        self.stdout.write(f"{site_address()}{make_link(user)}")
        self.stderr.write(f"It signs {user.get_username()} in, once, within {LINK_MINUTES} minutes.")


def find_person(username: str) -> User:
    """The user with this name; services do not sign in."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"There is no user {username!r}.")
    if user.role == Role.SERVICE:
        raise CommandError(f"{username} is a service; services use API keys and do not sign in.")
    return user
