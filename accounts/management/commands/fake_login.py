"""Run the test sign-in provider by hand (development mode)."""

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.fake_login import ATTACKS, CONFORMING, TODAY, FakeLogin, fake_login
from accounts.fake_login.server import CLIENT_ID, CLIENT_SECRET

PORT = 8090


class Command(BaseCommand):
    """manage.py fake_login [--behaviour today|conforming] [--port N] [--attack NAME]"""

    help = (
        "Run a sign-in provider to sign in at without the real one. Development mode only; Ctrl-C stops it."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The part it plays, and where."""
        parser.add_argument(
            "--behaviour",
            choices=[TODAY, CONFORMING],
            default=TODAY,
            help="`today` has the oddities of login.orcest.ai, `conforming` keeps to the specifications.",
        )
        parser.add_argument("--port", type=int, default=PORT, help=f"0 takes a free one; {PORT} without.")
        parser.add_argument("--attack", choices=ATTACKS, metavar="NAME", help=f"One of {', '.join(ATTACKS)}.")
        parser.add_argument(
            "--client-id",
            default=CLIENT_ID,
            help="Today's provider lets developers and researchers through to `rm.orcest.ai` only.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until interrupted, or say in one sentence why not."""
        if settings.IS_PRODUCTION:
            raise CommandError(
                "The test provider signs anybody in, so it runs in development mode only (RAINYMODEL_ENV=development)."
            )
        try:
            with fake_login(
                options["behaviour"], options["client_id"], CLIENT_SECRET, options["port"]
            ) as provider:
                provider.attack = options["attack"]
                stopping = stopped_by_signals()
                self.greet(provider)
                stopping.wait()
        except (OSError, OverflowError) as error:
            raise CommandError(f"It cannot listen on port {options['port']}: {error}.") from None

    def greet(self, provider: FakeLogin) -> None:
        """Where it is, and how RainyModel finds it."""
        lines = (
            f"The test sign-in provider listens on {provider.issuer} and plays `{provider.behaviour}`"
            + (f", attacking with `{provider.attack}`." if provider.attack else "."),
            "Point RainyModel at it with these lines in .env:",
            "",
            f"OIDC_ISSUER={provider.issuer}",
            f"OIDC_CLIENT_ID={provider.client_id}",
            f"OIDC_CLIENT_SECRET={provider.client_secret}",
            "",
            "Ctrl-C stops it.",
        )
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def stopped_by_signals() -> threading.Event:
    """An event that Ctrl-C and SIGTERM set."""
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    return stopping
