"""What happened to one thing of the catalogue, told from the revisions that it went out with."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, models

from routing.catalogue import read_entry
from routing.diff import Change, compare_entries
from routing.tables import TABLES, Table

LOOKED_AT = 200  # revisions for one page
# The entry of one name out of the newest documents, newest first; the database takes the documents apart.
ENTRIES = """
    SELECT number, author, note, published_at,
           jsonb_path_query_first(document, %s::jsonpath, jsonb_build_object('name', %s::text))::text
    FROM routing_cataloguerevision WHERE number < %s ORDER BY number DESC LIMIT %s"""
END_OF_NUMBERS = 2_147_483_647


@dataclass(frozen=True, slots=True)
class Published:
    """A revision that changed the thing."""

    number: int
    author: str
    note: str
    at: datetime
    change: Change


@dataclass(frozen=True, slots=True)
class Story:
    """The thing's changes, newest first; `draft` is what is not published yet.

    `earlier` is the number below which older revisions are to be looked at, None when there are none.
    """

    draft: Change | None
    published: tuple[Published, ...]
    earlier: int | None


def story_of(row: models.Model, before: int | None = None, most: int = LOOKED_AT) -> Story:
    """The history of a row, from the newest `most` revisions, or from those below `before`."""
    table = next(table for table in TABLES if table.model is type(row))
    name = str(getattr(row, table.key))
    found = _entries(table, name, before or END_OF_NUMBERS, most + 1)
    looked_at, beyond = found[:most], found[most:]
    entries = [*(row[4] for row in found), None][: len(looked_at) + 1]
    told = tuple(
        Published(number, author, note, at, change)
        for (number, author, note, at, entry), older in zip(looked_at, entries[1:], strict=True)
        if (change := compare_entries(table.section, name, older, entry))
    )
    draft = None
    if before is None:
        serving = found[0][4] if found else None
        draft = compare_entries(table.section, name, serving, read_entry(row))
    return Story(draft, told, looked_at[-1][0] if beyond else None)


def _entries(table: Table, name: str, before: int, most: int) -> list[tuple[Any, ...]]:
    """(number, author, note, time, entry) of the newest revisions below `before`."""
    path = f"$.{table.section}[*] ? (@.{table.key} == $name)"
    with connection.cursor() as cursor:
        cursor.execute(ENTRIES, [path, name, before, most])
        return [(*row[:4], json.loads(row[4]) if row[4] else None) for row in cursor.fetchall()]
