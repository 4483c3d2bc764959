"""Runs the statements on a server; every failure becomes one sentence without a password in it."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from rainymodel_site import env
from rainymodel_site.openwebui import statements
from rainymodel_site.openwebui.plan import Plan, Refused, admin_conninfo
from rainymodel_site.preflight import first_line

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was new; what was not had its rights and its password renewed."""

    made_user: bool
    made_database: bool


def run(plan: Plan, environ: Mapping[str, str] = os.environ) -> Outcome:
    """Make or renew everything, each statement on its own as CREATE DATABASE needs it; raises Refused."""
    with _connected(admin_conninfo(environ)) as admin, _explained():
        _spare_the_gateway(plan, admin, environ)
        made_user = _make_user(plan, admin)
        made_database = admin.execute(statements.database_exists(plan)).fetchone() is None
        if made_database:
            admin.execute(statements.create_database(plan))
        for statement in statements.database_rights(plan):
            admin.execute(statement)
    with _connected(admin_conninfo(environ, dbname=plan.database)) as inside, _explained():
        for statement in statements.schema_rights(plan):
            inside.execute(statement)
    return Outcome(made_user, made_database)


def _make_user(plan: Plan, admin: Connection) -> bool:
    """The user with its password; whether it is new."""
    is_new = admin.execute(statements.role_exists(plan)).fetchone() is None
    if is_new:
        admin.execute(statements.create_role(plan))
    admin.execute(statements.set_password(plan, statements.verifier(plan.password)))
    row = admin.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()
    if row is not None and not row[0]:
        admin.execute(statements.join_role(plan))
    return is_new


def _spare_the_gateway(plan: Plan, admin: Connection, environ: Mapping[str, str]) -> None:
    """A superuser's password and the gateway's own user and database are not Open WebUI's to take over."""
    own = _own_names(environ)
    if plan.user in {admin.info.user, own.get("user")}:
        raise Refused(
            f"OPENWEBUI_DB_USER is {plan.user}, as which the gateway or this command signs in: choose another."
        )
    if plan.database in {admin.info.dbname, own.get("dbname")}:
        raise Refused(
            f"OPENWEBUI_DB_NAME is {plan.database}, which the gateway or this command uses: choose another."
        )
    if admin.execute(statements.role_exists(plan)).fetchone() == (True,):
        raise Refused(f"OPENWEBUI_DB_USER is {plan.user}, which is a superuser there: choose another.")


def _own_names(environ: Mapping[str, str]) -> dict[str, Any]:
    try:
        return dict(conninfo_to_dict(env.text("DATABASE_URL", environ)))
    except psycopg.ProgrammingError:
        return {}


@contextmanager
def _connected(conninfo: str) -> Iterator[Connection]:
    """A connection on which each statement stands alone."""
    try:
        opened = psycopg.connect(conninfo, autocommit=True)
    except psycopg.Error as error:
        raise Refused(f"The database server cannot be reached: {first_line(error)}.") from None
    with opened:
        yield opened


@contextmanager
def _explained() -> Iterator[None]:
    """The server's primary message only: its details and context may quote a statement."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise Refused(
            f"The server refused ({error.diag.message_primary}): set OPENWEBUI_ADMIN_DATABASE_URL to a user "
            "who may create roles and databases."
        ) from None
    except psycopg.Error as error:
        said = "the connection broke" if error.sqlstate is None else error.diag.message_primary
        raise Refused(f"The server did not accept it: {said}.") from None
