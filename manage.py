#!/usr/bin/env python
"""Django's command line, on the project's settings and, where no DATABASE_URL is set, its embedded Postgres."""

import os
import sys


def main() -> None:
    """Run one management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rainymodel_site.settings")
    from django.core.management import execute_from_command_line

    from rainymodel_site.database import database_at_hand

    with database_at_hand(sys.argv[1:]):
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
