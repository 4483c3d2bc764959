"""The SQL that makes Open WebUI's user and database; run twice it renews the rights and the password.

Names are quoted by psycopg.sql. The password appears only as a SCRAM-SHA-256 verifier, which is what the server keeps
anyway: neither a file nor the server's log has the password itself.
"""

from psycopg import pq
from psycopg.sql import SQL, Composed, Identifier, Literal

from rainymodel_site.openwebui.plan import Plan, Refused

HEADER = """\
-- Open WebUI's database, user and rights, for psql as somebody who may make both:
--   psql --no-psqlrc --set ON_ERROR_STOP=1 --file FILE postgresql://…
-- It may be run again. {secrecy}
\\encoding UTF8
"""
WITH_VERIFIER = "Keep it to yourself: it holds a verifier of the password, though not the password."
WITHOUT = "It holds nothing of the password: psql asks for it."


def verifier(password: str) -> str:
    """The SCRAM-SHA-256 verifier of the password, with a salt of its own each time; made by libpq, offline."""
    offline = pq.PGconn.connect_start(b"not_an_option=1")  # refused before any connection, and good enough
    try:
        return offline.encrypt_password(password.encode(), b"", b"scram-sha-256").decode("ascii")
    except UnicodeEncodeError:
        raise Refused("OPENWEBUI_DB_PASSWORD is not UTF-8 text: choose another.") from None
    finally:
        offline.finish()


def role_exists(plan: Plan) -> Composed:
    """One row with whether the user is a superuser; no row when there is none."""
    return SQL("SELECT rolsuper FROM pg_roles WHERE rolname = {}").format(Literal(plan.user))


def database_exists(plan: Plan) -> Composed:
    """One row when the database is there."""
    return SQL("SELECT 1 FROM pg_database WHERE datname = {}").format(Literal(plan.database))


def create_role(plan: Plan) -> Composed:
    """The user, who cannot sign in with a password yet."""
    return SQL("CREATE ROLE {} LOGIN").format(Identifier(plan.user))


def set_password(plan: Plan, secret: str) -> Composed:
    """The password's verifier, and no rights beyond its own database."""
    return SQL("ALTER ROLE {} LOGIN NOCREATEDB NOCREATEROLE PASSWORD {}").format(
        Identifier(plan.user), Literal(secret)
    )


def join_role(plan: Plan) -> Composed:
    """What an administrator who is no superuser needs before it can give the user a database."""
    return SQL("GRANT {} TO CURRENT_USER").format(Identifier(plan.user))


def create_database(plan: Plan) -> Composed:
    """The database in UTF-8; not allowed within a transaction."""
    return SQL("CREATE DATABASE {} OWNER {} ENCODING 'UTF8' TEMPLATE template0").format(
        Identifier(plan.database), Identifier(plan.user)
    )


def database_rights(plan: Plan) -> tuple[Composed, ...]:
    """The database is the user's, and nobody else may connect."""
    database, user = Identifier(plan.database), Identifier(plan.user)
    return (
        SQL("ALTER DATABASE {} OWNER TO {}").format(database, user),
        SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database),
        SQL("GRANT ALL ON DATABASE {} TO {}").format(database, user),
    )


def schema_rights(plan: Plan) -> tuple[Composed, ...]:
    """To be run in the new database: since PostgreSQL 15 tables in `public` need a right of their own."""
    return (
        SQL("REVOKE CREATE ON SCHEMA public FROM PUBLIC").format(),
        SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(Identifier(plan.user)),
    )


def script(plan: Plan, secret: str | None) -> str:
    """All of it for psql; without a verifier psql is told to ask for the password."""
    user = Identifier(plan.user).as_string(None)
    password = f"{set_password(plan, secret).as_string(None)};" if secret else f"\\password {user}"
    not_super = SQL("NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)")
    parts = [
        HEADER.format(secrecy=WITH_VERIFIER if secret else WITHOUT),
        _when(create_role(plan), SQL("NOT EXISTS ({})").format(role_exists(plan))),
        password,
        _when(join_role(plan), not_super),
        _when(create_database(plan), SQL("NOT EXISTS ({})").format(database_exists(plan))),
        *_ended(database_rights(plan)),
        f"\\connect -reuse-previous=on {_psql_database(plan.database)}",
        *_ended(schema_rights(plan)),
    ]
    return "\n".join(parts) + "\n"


def _when(statement: Composed, condition: SQL | Composed) -> str:
    """A statement that psql runs only where the condition holds."""
    chosen = SQL("SELECT {} WHERE {}").format(Literal(statement.as_string(None)), condition)
    return f"{chosen.as_string(None)}\\gexec"


def _ended(statements: tuple[Composed, ...]) -> list[str]:
    return [f"{statement.as_string(None)};" for statement in statements]


def _psql_database(name: str) -> str:
    """A database as psql's \\connect reads it: a bare name with `=` in it would be taken for a connection string."""
    value = name.replace("\\", "\\\\").replace("'", "\\'")
    return Identifier(f"dbname='{value}'").as_string(None)
