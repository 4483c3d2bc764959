"""What the list of requests shows, as plain values; the templates only lay them out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from accounts.moments import moment_words
from gateway.log_choices import ControlGroup, control_groups
from gateway.log_filter import LogFilter, Wanted, read_filter
from gateway.log_query import Page, TooSlow, read_ended, read_page
from gateway.models import RequestLog
from gateway.narrative import dollars, duration, reason_words
from gateway.visible import visible_line

NOTHING = "–"
UNKNOWN = "unknown"
TONES = {"ok": "good", "cancelled": "quiet", "refused": "warn", "client_error": "warn"}
MOST_NEW = 100
WRITTEN_WITHIN = timedelta(seconds=3)  # of a request's end its row is there, unless the database was away
TOO_SLOW = "The log did not answer in time: it is locked, or the database is busy. Try again in a moment."


@dataclass(frozen=True, slots=True)
class Line:
    """One request as a line of the list."""

    id: UUID
    at: datetime
    key: str
    whom: str
    model: str
    policy: str
    upstream: str
    upstream_model: str
    state: str
    tone: str
    told: str
    reason: str
    tokens: str
    cost: str
    took: str
    first: str


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set, and the address without it."""

    title: str
    shown: str
    without: str


@dataclass(frozen=True, slots=True)
class Reach:
    """How far the log was looked through, where that was not all of it, and where to go on."""

    sentence: str
    button: str
    query: str


@dataclass(frozen=True, slots=True)
class ListPage:
    """Everything the list shows. `older` and `newer` are addresses' queries, empty where there is nothing.

    `keep`: while nothing is found, go on looking by itself.
    """

    lines: tuple[Line, ...]
    chips: tuple[Chip, ...]
    groups: tuple[ControlGroup, ...]
    problems: tuple[str, ...]
    query: str
    search: str
    newest: bool
    keep: bool
    older: str
    newer: str
    reach: Reach | None
    began: str

    @property
    def filtered(self) -> bool:
        """Whether anything is left out on purpose."""
        return bool(self.chips)


@dataclass(frozen=True, slots=True)
class News:
    """What came since the last look: the lines, and the moment to ask from next time."""

    lines: tuple[Line, ...]
    since: str
    left_out: bool
    problem: str = ""


def list_page(params: Mapping[str, Any], now: datetime | None = None) -> ListPage:
    """The page that these parameters ask for."""
    moment = now or datetime.now(UTC)
    wanted = read_filter(params, moment)
    before, after = mark(params, "before"), mark(params, "after")
    problems = wanted.problems
    try:
        page = read_page(wanted, before=before, after=after)
    except TooSlow:
        page, problems = Page((), None, full=False), (*problems, TOO_SLOW)
    older, newer = ways_on(page, wanted, before, after)
    return ListPage(
        lines=tuple(line_of(row) for row in page.rows),
        chips=tuple(chip_of(one, wanted) for one in wanted.wanted),
        groups=control_groups(wanted),
        problems=problems,
        query=wanted.query(),
        search=wanted.value("q"),
        newest=before is None and after is None,
        keep=params.get("keep") == "1",
        older=older,
        newer=newer,
        reach=reach_of(page, wanted, moment, before, upwards=after is not None),
        began=moment.isoformat(),
    )


def mark(params: Mapping[str, Any], name: str) -> UUID | None:
    """The id that a page begins at; None without one, and for what is none."""
    try:
        return UUID(str(params.get(name, "")))
    except ValueError:
        return None


def ways_on(page: Page, wanted: LogFilter, before: UUID | None, after: UUID | None) -> tuple[str, str]:
    """The addresses of the next older and the next newer page."""
    first, last = (page.rows[0].id, page.rows[-1].id) if page.rows else (before, after)
    older = newer = ""
    if after is not None:
        older = wanted.query(before=str(last)) if last else ""
        newer = wanted.query(after=str(page.reached)) if page.full else ""
    else:
        older = wanted.query(before=str(page.reached)) if page.full else ""
        newer = wanted.query(after=str(first)) if before is not None and first else ""
    return older, newer


def reach_of(
    page: Page, wanted: LogFilter, now: datetime, before: UUID | None, *, upwards: bool
) -> Reach | None:
    """What was looked through, when the time was up before the page was full."""
    if page.full or page.reached_at is None:
        return None
    count = len(page.rows) or "Nothing"
    there = moment_words(page.reached_at)
    if upwards:
        query = wanted.query(after=str(page.reached))
        return Reach(
            f"{count} found up to {there}; later ones were not looked at yet.", "Look further", query
        )
    start = f"in the last {span_words(now - page.reached_at)}, back to {there}"
    where = start if before is None else f"on this page, back to {there}"
    query = wanted.query(before=str(page.reached))
    return Reach(f"{count} found {where}; older ones were not looked at yet.", "Look further back", query)


def beside(id: UUID, wanted: LogFilter, *, newer: bool) -> UUID | None:
    """The next older or newer request of the filter; None where none is found quickly."""
    try:
        page = read_page(wanted, before=None if newer else id, after=id if newer else None, limit=1)
    except TooSlow:
        return None
    return page.rows[0].id if page.rows else None


def span_words(span: timedelta) -> str:
    """`9 minutes`, `5 hours`, `12 days`: rounded down, from two of a unit on."""
    seconds = max(0, int(span.total_seconds()))
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"


def chip_of(one: Wanted, wanted: LogFilter) -> Chip:
    """The chip of one filter."""
    return Chip(one.title, visible_line(one.shown), wanted.query(without=one.name))


def line_of(row: RequestLog) -> Line:
    """The line of one row."""
    return Line(
        id=row.id,
        at=row.started_at,
        key=visible_line(row.key_label) or NOTHING,
        whom=visible_line(row.end_user or row.client_address),
        model=visible_line(row.requested_model) or NOTHING,
        policy=visible_line(f"policy {row.policy}" if row.policy else ""),
        upstream=visible_line(f"{row.upstream} · {row.tier}" if row.upstream else NOTHING),
        upstream_model=visible_line(row.upstream_model),
        state=row.get_state_display(),
        tone=TONES.get(row.state, "bad"),
        told="" if row.state == "ok" else visible_line(f"{row.status or ''} {row.error_code}".strip()),
        reason=visible_line(reason_words(row.fallback_reason)) if row.fallback_reason else "",
        tokens=tokens_of(row),
        cost=cost_of(row),
        took=NOTHING if row.total_ms is None else duration(row.total_ms),
        first="" if row.first_content_ms is None else duration(row.first_content_ms),
    )


def tokens_of(row: RequestLog) -> str:
    """All of them; estimated ones with a tilde."""
    return f"{'~' if row.estimated else ''}{row.total_tokens:,}" if row.total_tokens else NOTHING


def cost_of(row: RequestLog) -> str:
    """Dollars: unknown is not zero, and nothing was sent is neither."""
    if row.cost_usd is not None:
        return f"{'~' if row.estimated and row.cost_usd else ''}{dollars(row.cost_usd)}"
    return UNKNOWN if row.attempt_count else ""


def news(params: Mapping[str, Any], now: datetime | None = None) -> News:
    """The requests that ended since the last look, a little overlapping: whoever shows them knows which it has."""
    moment = now or datetime.now(UTC)
    try:
        since = datetime.fromisoformat(str(params.get("since", ""))).astimezone(UTC)
    except (ValueError, OverflowError):
        since = moment
    since = max(min(since, moment), moment - timedelta(minutes=10))
    try:
        rows, _ = read_ended(read_filter(params, moment), since - WRITTEN_WITHIN, MOST_NEW)
    except TooSlow:
        return News((), since.isoformat(), left_out=False, problem=TOO_SLOW)
    lines = tuple(line_of(row) for row in rows)
    return News(lines, moment.isoformat(), left_out=len(rows) == MOST_NEW)
