#!/usr/bin/env python3
"""Django's command line, on the project's settings and, where no DATABASE_URL is set, its embedded Postgres.

Called by a Python without the project's libraries, it goes on with the one in .venv.
"""

import os
import sys

VENV = os.path.join(os.path.dirname(os.path.abspath(__file__)), ".venv")


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rainymodel_site.settings")
    try:
        from django.core.management import execute_from_command_line

        from rainymodel_site.database import database_at_hand
    except ModuleNotFoundError:
        go_on_in_venv()
        raise
    with database_at_hand(sys.argv[1:]):
        execute_from_command_line(sys.argv)


def go_on_in_venv() -> None:
    """Become the same command in .venv; ends with a sentence without one, returns when this is it already."""
    python = os.path.join(VENV, "bin", "python")
    if os.path.realpath(sys.prefix) == os.path.realpath(VENV):
        return
    if not os.access(python, os.X_OK):
        sys.exit("The libraries are not installed yet: run `make run` first, which puts them into .venv.")
    os.execv(python, [python, *sys.argv])


if __name__ == "__main__":
    main()
