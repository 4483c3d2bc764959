"""Keys that stood in a URL: URLs end up in logs, so the key's row says since when somebody else may know it."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import psycopg
import psycopg_pool
import structlog

from accounts.errors import KeyRefused, KeysUnavailable
from gateway.authenticate import KEY_PARAMETERS, PRINTABLE

if TYPE_CHECKING:
    from gateway.services import Services

log = structlog.get_logger("gateway.exposed")
MOST_KEYS = 4  # of one URL
ACCESS_LOG = "django.channels.server"  # of daphne, as `manage.py runserver` starts it
FLAG = "UPDATE accounts_apikey SET exposed_at = now() WHERE kid = %s AND exposed_at IS NULL"


async def flag_exposed_keys(services: "Services", query_string: bytes) -> None:
    """Note in the database which keys a URL carried, as far as they are ours; never raises.

    To be called after the answer: it waits for the database.
    """
    for credential in keys_in(query_string):
        try:
            caller = services.callers.find(credential) or await services.callers.look_up(credential)
            async with services.pool.connection() as connection:
                await connection.execute(FLAG, (caller.kid,))
        except KeyRefused:
            continue
        except (KeysUnavailable, psycopg.Error, psycopg_pool.PoolTimeout) as problem:
            log.warning("a key in a URL could not be flagged", problem=type(problem).__name__)
        else:
            log.warning("a key stood in a URL; it should be rolled", key=caller.label, owner=caller.owner)


def keys_in(query_string: bytes) -> list[str]:
    """What a URL's query names as a key, and what could be one."""
    pairs = parse_qsl(query_string.decode("latin-1"))
    found = [value for name, value in pairs if name.lower() in KEY_PARAMETERS and PRINTABLE.match(value)]
    return found[:MOST_KEYS]


def hide_queries() -> None:
    """Keep what follows the `?` of a URL out of daphne's access lines; uvicorn writes none here."""
    logging.getLogger(ACCESS_LOG).addFilter(without_query)


def without_query(record: logging.LogRecord) -> bool:
    """Shorten the record's path; the record itself always passes."""
    if isinstance(record.args, Mapping) and "path" in record.args:
        record.args = {**record.args, "path": str(record.args["path"]).partition("?")[0]}
    return True
