"""The request log as a file: CSV for tables, JSON Lines for programs; sent batch by batch, memory stays flat."""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import connection

from accounts.actor import Actor
from accounts.audit import record
from gateway.log_filter import LogFilter
from gateway.log_query import Page, read_page
from gateway.models import RequestLog

MOST_ROWS = 1_000_000
BATCH = 1_000
PATIENCE = 2.0  # seconds of looking for one batch
ALL_COLUMNS = tuple(field.name for field in RequestLog._meta.fields)
NOT_IN_A_TABLE = ("attempts", "usage_raw", "price", "parameter_edits", "reservation", "needs")
TABLE_COLUMNS = tuple(name for name in ALL_COLUMNS if name not in NOT_IN_A_TABLE)
# What a spreadsheet takes for the beginning of a formula, and what leads up to one.
FORMULA = tuple("=+-@\t\r\n＝＋－＠")
CUT = "Cut here: a file holds {most:,} rows at most, and there are older ones, from id {id} down. Narrow the time."
BROKEN = "Broken off here: the database did not answer. The rows above are right; older ones are missing."


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of file: what it begins with, how rows become lines, and how a remark at its end looks."""

    name: str
    content_type: str
    header: str
    lines: Callable[[Iterable[RequestLog]], str]
    remark: Callable[[str], str]
    whole_rows: bool


@dataclass(slots=True)
class Export:
    """One file for somebody. It is in the audit when it begins, and again with its number of rows when it ends."""

    form: Form
    wanted: LogFilter
    actor: Actor
    most: int = MOST_ROWS
    batch_rows: int = BATCH
    patience: float = PATIENCE
    count: int = 0

    async def text(self) -> AsyncIterator[str]:
        """The file, piece by piece; its last line says so when there is more than is in it."""
        await sync_to_async(self.audit)("export began")
        try:
            yield self.form.header
            async for piece in self.batches():
                yield piece
        finally:
            await sync_to_async(self.audit)("export", rows=self.count)

    async def batches(self) -> AsyncIterator[str]:
        """The rows, the newest first."""
        before: UUID | None = None
        while True:
            try:
                page, lines = await sync_to_async(self.batch)(before)
            except Exception:
                yield self.form.remark(BROKEN)
                raise
            self.count += len(page.rows)
            yield lines
            is_stuck = not page.rows and page.reached == before
            before = page.reached
            if before is None:
                return
            if is_stuck:  # even the narrowest span was too much; asking again would get no further
                yield self.form.remark(BROKEN)
                return
            if self.count >= self.most:
                if not await sync_to_async(self.more_below)(before):
                    return
                yield self.form.remark(CUT.format(most=self.most, id=before))
                return

    def batch(self, before: UUID | None) -> tuple[Page, str]:
        """The next rows and their lines; the connection goes back before a slow client reads them."""
        try:
            limit = min(self.batch_rows, self.most - self.count)
            page = read_page(
                self.wanted,
                before=before,
                limit=limit,
                patience=self.patience,
                whole_rows=self.form.whole_rows,
            )
            return page, self.form.lines(page.rows)
        finally:
            give_back()

    def more_below(self, id: UUID) -> bool:
        """Whether the filter has another row, as far as a look for one batch tells."""
        page = read_page(self.wanted, before=id, limit=1, patience=self.patience)
        return bool(page.rows) or page.reached is not None

    def audit(self, action: str, rows: int | None = None) -> None:
        """Who took what."""
        filters = {one.title.lower(): (None, one.given) for one in self.wanted.wanted}
        counted = {} if rows is None else {"rows": (None, rows)}
        try:
            record(
                self.actor.name,
                action,
                "request log",
                {"form": (None, self.form.name), **filters, **counted},
                self.actor.address,
            )
        finally:
            give_back()


def give_back() -> None:
    """The connection goes back to the pool while a client takes its time; not in the middle of a transaction."""
    if not connection.in_atomic_block:
        connection.close()


def csv_lines(rows: Iterable[RequestLog]) -> str:
    """A line for each row, without the columns that hold lists and objects."""
    return table([[csv_cell(getattr(row, name)) for name in TABLE_COLUMNS] for row in rows])


def csv_cell(value: Any) -> Any:
    """A value that no spreadsheet takes for a formula; unknown is empty."""
    value = plain(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def csv_remark(text: str) -> str:
    """A line with nothing but a remark in its first cell."""
    return table([[f"# {text}"]])


def table(rows: Iterable[Iterable[Any]]) -> str:
    """Rows of cells as CSV."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def json_lines(rows: Iterable[RequestLog]) -> str:
    """One object for each row, with every column."""
    return "".join(json_line({name: plain(getattr(row, name)) for name in ALL_COLUMNS}) for row in rows)


def json_remark(text: str) -> str:
    """An object with nothing but a remark."""
    return json_line({"remark": text})


def json_line(value: dict[str, Any]) -> str:
    """One line."""
    return f"{json.dumps(value, ensure_ascii=False)}\n"


def plain(value: Any) -> Any:
    """A value as a file holds it: times in UTC, money without an exponent."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value) if isinstance(value, UUID) else value


FORMS = {
    "csv": Form("csv", "text/csv", table([TABLE_COLUMNS]), csv_lines, csv_remark, whole_rows=False),
    "jsonl": Form("jsonl", "application/x-ndjson", "", json_lines, json_remark, whole_rows=True),
}
