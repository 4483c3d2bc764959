"""The one error of the embedded Postgres."""


class PostgresError(Exception):
    """The embedded Postgres cannot serve: a sentence for the user, with the server's last words if any."""
