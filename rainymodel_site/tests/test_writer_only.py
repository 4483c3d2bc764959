"""Keys, budgets and the catalogue are read from the Postgres that takes writes, never from a copy that lags."""

import asyncio
import os

import psycopg
import pytest
from django.conf import settings
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gateway.tests.live import fresh_database
from rainymodel_site.database import django_database, writer_dsn

pytestmark = pytest.mark.fault("I30")


@pytest.fixture
def replica(monkeypatch: pytest.MonkeyPatch):
    """A database that refuses writes, as a replica does; the environment names it."""
    with fresh_database() as dsn:
        name = conninfo_to_dict(dsn)["dbname"]
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        monkeypatch.setenv("DATABASE_URL", dsn)
        yield dsn


def test_the_gateways_own_connections_refuse_a_replica(replica: str):
    async def connect() -> None:
        await psycopg.AsyncConnection.connect(writer_dsn())

    with pytest.raises(psycopg.OperationalError, match="read-only"):
        asyncio.run(connect())


def test_the_pages_connections_refuse_it_too(replica: str):
    entry = django_database()
    options = {name: value for name, value in entry["OPTIONS"].items() if name != "pool"}
    place = {"host": entry["HOST"], "port": entry["PORT"], "user": entry["USER"], "dbname": entry["NAME"]}

    with pytest.raises(psycopg.OperationalError, match="read-only"):
        psycopg.connect(**place, **options)


def test_there_is_one_database_and_every_part_uses_it():
    assert list(settings.DATABASES) == ["default"]
    assert conninfo_to_dict(settings.DATABASE_DSN)["target_session_attrs"] == "read-write"
    assert settings.DATABASES["default"]["OPTIONS"]["target_session_attrs"] == "read-write"


def test_what_the_url_says_itself_is_kept(monkeypatch: pytest.MonkeyPatch):
    url = make_conninfo("postgresql://nobody@127.0.0.1/nothing", target_session_attrs="primary")
    monkeypatch.setenv("DATABASE_URL", url)

    assert conninfo_to_dict(writer_dsn())["target_session_attrs"] == "primary"
    assert django_database()["OPTIONS"]["target_session_attrs"] == "primary"
