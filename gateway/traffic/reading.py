"""Figures of traffic, read from the roll-ups: quick however many rows the log has, and at most a second behind it.

    window = Window.last(hours=24)                  from gateway.traffic.window
    overview(window)                → Overview      all figures, per minute, how many providers answered
    by(window, "alias")             → [Group]       figures for each value, the busiest first; several dimensions too
    by_provider(window)             → [ProviderFigures]   answers and failed attempts of each provider
    series(window, by="state")      → [Point]       figures over time, for each value of a dimension
    errors(window)                  → [ErrorCount]  how requests failed, the most frequent first
    fallback_flow(window)           → [Step]        which attempts failed or were skipped, and who was asked next
    saved.saved(window)             → Saved         the cost beside that of the cheapest premium model

`user_id` and `key_id` leave one person's or key's requests (not for `by_provider`, `fallback_flow`, `saved`): windows
then begin at whole hours. `Overview` says where the window really begins and ends.
Dimensions: alias, policy, tier, provider, deployment, endpoint, stream, state, error; of keys: user_id, key_id,
key_label, alias, provider, state, error. All numbers but percentiles are exact. These functions block; they raise
django.db.Error when Postgres is away or slow.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from gateway.traffic.figures import NOTHING, ErrorCount, Figures, Group, Point, Step, figures_of, together
from gateway.traffic.tables import KEYS, STEPS, TRAFFIC, Family
from gateway.traffic.window import Part, Window, cover, floor, kept, unit_at

# How fine a series is: up to so many minutes of window a point each minute, hour.
FINEST = (("minute", 3 * 60), ("hour", 7 * 24 * 60))
LIMITS = "SELECT set_config('jit', 'off', true), set_config('statement_timeout', '10s', true)"
MOST_GROUPS = 1000
Whose = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Overview:
    """All figures of a window that really began at `since`; `until` None is now. `providers` answered at least once."""

    since: datetime
    until: datetime | None
    figures: Figures
    providers: int
    per_minute: float


@dataclass(frozen=True, slots=True)
class ProviderFigures:
    """What a provider answered, the attempts at it that failed, and how often it was skipped without one."""

    provider: str
    figures: Figures
    failed: int
    skipped: int

    @property
    def success_share(self) -> float | None:
        """0 to 1: complete answers of all attempts that were not broken off by clients; None without any."""
        judged = self.figures.ok + self.figures.truncated + self.failed
        return self.figures.ok / judged if judged else None


def overview(window: Window, *, user_id: str | None = None, key_id: UUID | None = None) -> Overview:
    """Everything in a window."""
    wide = widened(window, user_id=user_id, key_id=key_id)
    groups = by(window, "provider", user_id=user_id, key_id=key_id)
    figures = together(group.figures for group in groups)
    providers = sum(1 for group in groups if group.names[0])
    return Overview(wide.since, wide.until, figures, providers, figures.requests / wide.minutes())


def by(
    window: Window,
    *dimensions: str,
    user_id: str | None = None,
    key_id: UUID | None = None,
    keys: bool = False,
) -> list[Group]:
    """Figures of each combination of the dimensions' values, the busiest first. Raises ValueError for no dimension.

    `keys` asks about the dimensions of keys without saying whose; at most MOST_GROUPS.
    """
    whose = owner(user_id, key_id)
    family = KEYS if keys or whose else TRAFFIC
    check(family, dimensions)
    found: dict[tuple[Any, ...], Figures] = defaultdict(Figures)
    for row in read_sums(family, window, unique((*dimensions, "state")), whose):
        found[tuple(row[name] for name in dimensions)] += figures_of(row)
    groups = (Group(names, figures) for names, figures in found.items())
    return sorted(groups, key=lambda group: -group.figures.requests)[:MOST_GROUPS]


def by_provider(window: Window) -> list[ProviderFigures]:
    """Each provider that answered, failed or was skipped; the busiest first."""
    figures = {group.names[0]: group.figures for group in by(window, "provider")}
    failed: dict[str, int] = defaultdict(int)
    skipped: dict[str, int] = defaultdict(int)
    for provider, was_skipped, count in read_steps(window, ("provider", "skipped")):
        (skipped if was_skipped else failed)[provider] += count
    names = {*figures, *failed, *skipped} - {""}
    told = [
        ProviderFigures(
            name, figures.get(name, Figures()), less_truncated(failed[name], figures, name), skipped[name]
        )
        for name in names
    ]
    return sorted(told, key=lambda one: (-one.figures.requests - one.failed, one.provider))


def less_truncated(failed: int, figures: dict[str, Figures], name: str) -> int:
    """Failed attempts that were no answer: one that broke off is counted among the answers, as truncated."""
    return max(0, failed - figures.get(name, Figures()).truncated)


def series(
    window: Window,
    by: str = "",
    step: str = "",
    *,
    user_id: str | None = None,
    key_id: UUID | None = None,
    latencies: bool = True,
) -> list[Point]:
    """Figures of each minute, hour or day (`step`; chosen by the window's length) and value of a dimension, in order.

    What has no request has no point. Without `latencies` there are no percentiles, and it is quicker.
    """
    whose = owner(user_id, key_id)
    family = KEYS if whose else TRAFFIC
    check(family, (by,) if by else ())
    table = family.table(step or step_for(window, family))
    part = Part(table, floor(window.since, table.unit), window.until)
    found: dict[tuple[datetime, str], Figures] = defaultdict(Figures)
    groups = unique(("at", *((by,) if by else ()), "state"))
    for row in read_parts(family, [part], groups, whose, latencies=latencies):
        found[row["at"], str(row[by]) if by else ""] += figures_of(row)
    return [
        Point(at, name, figures) for (at, name), figures in sorted(found.items(), key=lambda item: item[0])
    ]


def widened(window: Window, *, user_id: str | None = None, key_id: UUID | None = None) -> Window:
    """The window as readers take it: begun at a whole minute, hour or day that is kept."""
    return kept(window, KEYS if owner(user_id, key_id) else TRAFFIC)


def step_of(window: Window, step: str = "", *, user_id: str | None = None, key_id: UUID | None = None) -> str:
    """How fine a series of this window is: as asked, or as its length says. Raises ValueError."""
    family = KEYS if owner(user_id, key_id) else TRAFFIC
    return family.table(step or step_for(window, family)).unit


def step_for(window: Window, family: Family) -> str:
    """minute, hour or day."""
    finest = next((unit for unit, minutes in FINEST if window.minutes() <= minutes), "day")
    known = {"minute": 0, "hour": 1, "day": 2}
    at_least = unit_at(window.since, family, datetime.now(UTC))
    return max(finest, at_least, key=known.__getitem__)


def errors(window: Window, *, user_id: str | None = None, key_id: UUID | None = None) -> list[ErrorCount]:
    """Requests that failed, by how: the most frequent first; at most MOST_GROUPS."""
    whose = owner(user_id, key_id)
    family = KEYS if whose else TRAFFIC
    names = ("state", "error", "provider", "alias")
    wanted = f"SELECT {', '.join(names)}, sum(requests)::bigint FROM ({{rows}}) AS part"
    wanted += " WHERE state NOT IN ('ok', 'cancelled') GROUP BY 1, 2, 3, 4"
    wanted += f" ORDER BY 5 DESC, 1, 2, 3, 4 LIMIT {MOST_GROUPS}"
    ranges = cover(kept(window, family), family)
    return [ErrorCount(*row) for row in fetch(wanted, ranges, (*names, "requests"), whose)[1]]


def fallback_flow(window: Window) -> list[Step]:
    """Attempts that failed or were skipped, and who was asked next: the most frequent first, at most MOST_GROUPS."""
    return [Step(*row) for row in read_steps(window, tuple(STEPS.dimensions))[:MOST_GROUPS]]


def read_steps(window: Window, names: Sequence[str]) -> list[tuple[Any, ...]]:
    """How many steps there were of each combination of values, which come before the count; the most first."""
    groups = ", ".join(str(number + 1) for number in range(len(names)))
    wanted = f"SELECT {', '.join(names)}, sum(steps)::bigint FROM ({{rows}}) AS part"
    wanted += f" GROUP BY {groups} ORDER BY {len(names) + 1} DESC, {groups}"
    return fetch(wanted, cover(kept(window, STEPS), STEPS), (*names, "steps"))[1]


def owner(user_id: str | None, key_id: UUID | None) -> Whose:
    """Whose rows, by column; empty: everybody's."""
    named = {"user_id": user_id, "key_id": key_id}
    return {name: value for name, value in named.items() if value is not None}


def read_sums(
    family: Family, window: Window, groups: Sequence[str], whose: Whose
) -> Iterable[dict[str, Any]]:
    """Summed rows of a window for each combination of the groups' values."""
    return read_parts(family, cover(kept(window, family), family), groups, whose)


def read_parts(
    family: Family,
    ranges: Sequence[Part],
    groups: Sequence[str],
    whose: Whose,
    *,
    latencies: bool = True,
) -> Iterable[dict[str, Any]]:
    """The same for parts of tables."""
    measures = [measure for measure in family.measures if latencies or measure.how != "counts"]
    sums = ", ".join(f"{measure.of_sums} AS {measure.name}" for measure in measures)
    numbers = ", ".join(str(number + 1) for number in range(len(groups)))
    wanted = f"SELECT {', '.join(groups)}, {sums} FROM ({{rows}}) AS part GROUP BY {numbers}"
    columns = unique((*groups, *(measure.name for measure in measures)))
    names, rows = fetch(wanted, ranges, columns, whose)
    empty = {"total_counts": NOTHING, "first_counts": NOTHING}
    for row in rows:
        yield {**empty, **dict(zip(names, row, strict=True))}


def fetch(
    wanted: str, ranges: Sequence[Part], columns: Sequence[str], whose: Whose | None = None
) -> tuple[list[str], list[Any]]:
    """Names and rows of a statement over these columns of these parts; `{rows}` stands for them."""
    selects, values = [], list[Any]()
    for part in ranges:
        known = {"at >= %s": part.low, **({} if part.high is None else {"at < %s": part.high})}
        known |= {f"{name} = %s": value for name, value in (whose or {}).items()}
        selects.append(f"SELECT {', '.join(columns)} FROM {part.table.name} WHERE {' AND '.join(known)}")
        values += known.values()
    if not selects:
        return [], []
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LIMITS)
        cursor.execute(wanted.format(rows=" UNION ALL ".join(selects)), values)
        return [column.name for column in cursor.description or ()], list(cursor.fetchall())


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, in order."""
    return tuple(dict.fromkeys(names))


def check(family: Family, dimensions: Iterable[str]) -> None:
    """Raises ValueError for what is no dimension of the family."""
    for name in dimensions:
        if name not in family.dimensions:
            raise ValueError(f"There is no dimension {name!r}; there are: {', '.join(family.dimensions)}.")
