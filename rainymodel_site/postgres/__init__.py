"""The embedded Postgres: a private server under the state directory, for who sets no `DATABASE_URL`.

Plain Python (standard library and psycopg), so it can run before the settings are read.
Only `EmbeddedPostgres`, `running` and `PostgresError` are meant for other packages.
"""

from rainymodel_site.postgres.errors import PostgresError
from rainymodel_site.postgres.launcher import EmbeddedPostgres, running

__all__ = ["EmbeddedPostgres", "PostgresError", "running"]
