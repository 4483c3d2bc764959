"""`manage.py services`: the gateway and Open WebUI in the background of this machine."""

import sys
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from rainymodel_site import env
from rainymodel_site.database import database_url
from rainymodel_site.local_services import control
from rainymodel_site.local_services.definitions import NAMES, OPEN_WEBUI, Service, services
from rainymodel_site.local_services.health import database_state
from rainymodel_site.local_services.logfile import tail
from rainymodel_site.local_services.status import exit_code, service_state, table
from rainymodel_site.openwebui import Refused

HOW_TO_INSTALL = (
    "Open WebUI is not installed: `pip install open-webui` in an environment of its own, and name its program "
    "in OPENWEBUI_COMMAND (or put it on the PATH)."
)


class Command(BaseCommand):
    """manage.py services start|stop|restart|status|logs [gateway|open-webui]"""

    help = "Start, stop and look after the gateway and Open WebUI in the background of this machine."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """What to do, with which service, and two numbers."""
        parser.add_argument("action", choices=("start", "stop", "restart", "status", "logs"))
        parser.add_argument("name", nargs="?", choices=NAMES, help="Only this service; without it, all.")
        parser.add_argument("--lines", type=int, default=50, help="Lines of each log to show (%(default)s).")
        parser.add_argument(
            "--wait",
            type=float,
            metavar="SECONDS",
            help="How long a start may take (gateway 60, open-webui 300).",
        )

    def handle(
        self, *_: Any, action: str, name: str | None, lines: int, wait: float | None, **__: Any
    ) -> None:
        """One action on the chosen services; what goes wrong is told in sentences."""
        try:
            chosen = [each for each in services().values() if name in {None, each.name}]
            if action == "status":
                self.show_status(chosen)
            elif action == "logs":
                self.show_logs(chosen, lines)
            else:
                with control.one_at_a_time(chosen[0].state):
                    if action in {"stop", "restart"}:
                        self.stop(chosen)
                    if action in {"start", "restart"}:
                        self.start(chosen, wait, is_named=name is not None)
        except (control.Trouble, Refused) as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{error.filename or 'The state directory'}: {error.strerror}.") from None

    def start(self, chosen: Sequence[Service], wait: float | None, *, is_named: bool) -> None:
        """In order, as Open WebUI asks the gateway for its models; the first that fails ends it."""
        for service in chosen:
            if not service.command:
                if is_named:
                    raise CommandError(HOW_TO_INSTALL)
                self.stdout.write(HOW_TO_INSTALL)
                continue
            if service.name == OPEN_WEBUI and not env.text("OPENWEBUI_API_KEY"):
                self.stdout.write(
                    "OPENWEBUI_API_KEY is not set: Open WebUI will have no key for the gateway."
                )
            self.stdout.write(control.start(service, wait))

    def stop(self, chosen: Sequence[Service]) -> None:
        """The gateway last: Open WebUI may be in the middle of an answer."""
        for service in reversed(chosen):
            self.stdout.write(control.stop(service))

    def show_status(self, chosen: Sequence[Service]) -> None:
        """The table and the database's line; ends with the exit code that sums them up."""
        states = [service_state(service) for service in chosen]
        database = database_state(database_url())
        self.stdout.write(table(states))
        self.stdout.write(f"database  {database.sentence}")
        sys.exit(exit_code(states, database))

    def show_logs(self, chosen: Sequence[Service], lines: int) -> None:
        """The end of each log under its file's name."""
        for service in chosen:
            self.stdout.write(f"==> {service.log_file}")
            self.stdout.write("\n".join(tail(service.log_file, lines)) or "(nothing yet)")
