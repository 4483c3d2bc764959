"""What the OPENWEBUI_DB_* variables ask for, checked before anything is written or run."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from rainymodel_site import env

LONGEST_NAME = 63  # bytes; PostgreSQL cuts what is longer
SERVERS_OWN = frozenset({"postgres", "template0", "template1"})
MASK = "***"


class Refused(Exception):
    """Nothing was done; the message is one sentence for the operator, without any password."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A database, the user that owns it, and where both are reached; `host` may be a socket's directory."""

    database: str
    user: str
    password: str = field(repr=False)
    host: str
    port: int

    def url(self, *, masked: bool) -> str:
        """The DATABASE_URL for Open WebUI; `masked` hides the password."""
        password = MASK if masked else quote(self.password, safe="")
        signed_in, database = f"{quote(self.user, safe='')}:{password}", quote(self.database, safe="")
        if self.host.startswith("/"):
            return f"postgresql://{signed_in}@/{database}?{urlencode({'host': self.host, 'port': self.port})}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{signed_in}@{host}:{self.port}/{database}"


def read_plan(environ: Mapping[str, str] = os.environ, *, with_password: bool = True) -> Plan:
    """The plan of the environment; raises Refused with the name of the variable that is missing or wrong."""
    password = env.text("OPENWEBUI_DB_PASSWORD", environ) if with_password else ""
    if with_password and not password:
        raise Refused(
            "OPENWEBUI_DB_PASSWORD is not set: choose a password for Open WebUI's database user, "
            "and set it or OPENWEBUI_DB_PASSWORD_FILE."
        )
    if "\0" in password:
        raise Refused("OPENWEBUI_DB_PASSWORD holds a NUL character, which no password may: choose another.")
    host, port = _address(environ)
    database = _name("OPENWEBUI_DB_NAME", environ)
    if database in SERVERS_OWN:
        raise Refused(f"OPENWEBUI_DB_NAME is {database}, which is the server's own: choose another name.")
    return Plan(database, _name("OPENWEBUI_DB_USER", environ), password, host, port)


def admin_conninfo(environ: Mapping[str, str] = os.environ, **changes: Any) -> str:
    """How to connect as somebody who may make users: OPENWEBUI_ADMIN_DATABASE_URL, or else DATABASE_URL."""
    name = (
        "OPENWEBUI_ADMIN_DATABASE_URL"
        if env.is_set("OPENWEBUI_ADMIN_DATABASE_URL", environ)
        else "DATABASE_URL"
    )
    try:
        parts: dict[str, Any] = conninfo_to_dict(env.text(name, environ))
    except psycopg.ProgrammingError:  # its words would repeat the URL
        raise Refused(f"{name} is not a URL that Postgres understands (postgresql://…).") from None
    if not parts:
        raise Refused(f"{name} is not set, so there is no server to run anything on.")
    defaults = {"sslmode": env.text("DATABASE_TLS", environ), "connect_timeout": 10}
    return make_conninfo(**{**defaults, **parts, **changes})


def _name(variable: str, environ: Mapping[str, str]) -> str:
    """A name that PostgreSQL keeps as it is."""
    name = env.text(variable, environ)
    if any(ord(character) < 32 or ord(character) == 127 for character in name):
        raise Refused(f"{variable} holds a control character (such as NUL or a line break): choose another.")
    if (length := len(name.encode("utf-8", "surrogateescape"))) > LONGEST_NAME:
        raise Refused(
            f"{variable} is {length} bytes long, and PostgreSQL cuts names after {LONGEST_NAME}: "
            "choose a shorter one."
        )
    return name


def _address(environ: Mapping[str, str]) -> tuple[str, int]:
    """OPENWEBUI_DB_HOST and its port, else those of the server that `init -x` would use."""
    if host := env.text("OPENWEBUI_DB_HOST", environ):
        return host, env.number("OPENWEBUI_DB_PORT", environ, low=1, high=65_535)
    try:
        parts = conninfo_to_dict(admin_conninfo(environ))
    except Refused:
        parts = {}
    return str(parts.get("host") or "127.0.0.1").split(",")[0], int(
        str(parts.get("port") or 5432).split(",")[0]
    )
