"""`manage.py openwebui init`: the database that Open WebUI keeps its chats in."""

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from rainymodel_site import env
from rainymodel_site.openwebui import Plan, Refused, read_plan
from rainymodel_site.openwebui.running import run
from rainymodel_site.openwebui.statements import script, verifier

STDOUT = "-"


class Command(BaseCommand):
    """manage.py openwebui init [-x] [--output FILE]"""

    help = "Make Open WebUI's database, user and rights from the OPENWEBUI_DB_* variables."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """One action so far, `init`."""
        init = parser.add_subparsers(dest="action", required=True).add_parser("init", help=self.help)
        either = init.add_mutually_exclusive_group()
        either.add_argument(
            "-x",
            "--execute",
            action="store_true",
            help="Run it on the server instead of writing it to a file.",
        )
        either.add_argument(
            "--output", metavar="FILE", help="Where to write it; - prints it without the password."
        )

    def handle(self, *_: Any, execute: bool, output: str | None, **__: Any) -> None:
        """Write the statements, or run them; what is wrong is told in one sentence."""
        try:
            if execute:
                self.execute_plan(read_plan())
            elif output == STDOUT:
                self.stdout.write(script(read_plan(with_password=False), None))
            else:
                self.write_plan(read_plan(), named_file(output) if output else default_file())
        except Refused as error:
            raise CommandError(str(error)) from None

    def execute_plan(self, plan: Plan) -> None:
        """Run on the server, then say what Open WebUI has to be told."""
        outcome = run(plan)
        user, database = ("made" if new else "kept" for new in (outcome.made_user, outcome.made_database))
        self.stdout.write(f"User {plan.user}: {user}, with the password of OPENWEBUI_DB_PASSWORD.")
        self.stdout.write(f"Database {plan.database}: {database}, owned by {plan.user}.")
        self.stdout.write(f"Open WebUI connects with\n  DATABASE_URL={plan.url(masked=True)}")

    def write_plan(self, plan: Plan, file: Path) -> None:
        """Write the statements for psql where only their owner reads them."""
        try:
            write_private(file, script(plan, verifier(plan.password)))
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error.strerror}.") from None
        self.stdout.write(f"Written to {file}. Run it as somebody who may make users and databases:")
        self.stdout.write(f"  psql --no-psqlrc --set ON_ERROR_STOP=1 --file {file} postgresql://…")
        self.stdout.write(f"Open WebUI then connects with\n  DATABASE_URL={plan.url(masked=True)}")


def default_file() -> Path:
    """openwebui.sql in the state directory, which is made when missing."""
    state = env.path("RAINYMODEL_STATE_DIR")
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CommandError(f"{state} cannot be made: {error.strerror}.") from None
    return state / "openwebui.sql"


def named_file(name: str) -> Path:
    """The file that was asked for; raises CommandError when its directory is not there."""
    file = Path(name)
    if not file.parent.is_dir():
        raise CommandError(f"{file} cannot be written: there is no directory {file.parent}. Make it first.")
    return file


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner can read; an older one is replaced as a whole."""
    draft = file.with_name(f"{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(
        os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
    ) as handle:
        handle.write(text)
    draft.replace(file)
