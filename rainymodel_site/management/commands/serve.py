"""`manage.py serve`: the production entry. Checks what must not be wrong, then supervises the workers."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from rainymodel_site import env, serving
from rainymodel_site.preflight import database_refusal, production_refusal
from rainymodel_site.preparation import let_go_of_database, pending_migrations
from routing.provider_secrets import sealing_refusal


class Command(BaseCommand):
    """Serve on HOST and PORT with WEB_WORKERS processes until SIGTERM or SIGINT."""

    help = "Serve on HOST and PORT with WEB_WORKERS processes until SIGTERM or SIGINT."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Only where the application is found."""
        parser.add_argument("--app", default=serving.APPLICATION, help="module:name of the ASGI application")

    def handle(self, *_: Any, app: str, **__: Any) -> None:
        """Refuse a start that would end badly, else become the supervisor."""
        if settings.IS_PRODUCTION:
            refuse_unsafe_settings()
        self.check_database()
        let_go_of_database()
        if settings.IS_PRODUCTION:
            # A fresh program: the supervisor lives as long as the container and needs none of Django's memory.
            os.execv(sys.executable, [sys.executable, "-m", "rainymodel_site.serving", app])
        # In development this process may own the embedded Postgres, so it stays.
        sys.exit(serving.main(app))

    def check_database(self) -> None:
        """Migrations must be applied. A database that is away keeps nobody away: the last good snapshot serves."""
        if refusal := database_refusal(env.text("DATABASE_URL")):
            self.stderr.write(
                f"The database does not answer ({refusal}); serving what the last good snapshot allows."
            )
        elif pending_migrations():
            raise CommandError(
                "The database lacks migrations of this version: run `manage.py migrate` first."
            )
        elif refusal := sealing_refusal():
            raise CommandError(refusal)


def refuse_unsafe_settings() -> None:
    """Example keys and DEBUG have no place in production."""
    if settings.DEBUG:
        raise CommandError("DEBUG is on; production does not start with it.")
    if refusal := production_refusal():
        raise CommandError(refusal)
