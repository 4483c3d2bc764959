"""What is rolled up: three families of tables, their dimensions and sums, and how long each is kept.

Every family has a table for each of its levels; a row of one level is the sum of the next finer level's rows. Each
table is right by itself: a log row is added to all of them at once, however late it comes.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.traffic.histogram import BOUNDS, BUCKETS

MINUTE_OF_ID = "to_timestamp(('x' || translate(left(id::text, 13), '-', ''))::bit(48)::bigint / 60000 * 60)"
NO_KEY = "00000000-0000-0000-0000-000000000000"  # of a request whose key has none


@dataclass(frozen=True, slots=True)
class Table:
    """One level of a family; `unit` is minute, hour or day (of UTC), a row begins at `at`."""

    name: str
    unit: str
    keep_days: int


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that is rolled up. `of_rows` makes it of facts, `how` (sum, least, greatest, counts) of itself."""

    name: str
    of_rows: str
    how: str = "sum"

    @property
    def of_sums(self) -> str:
        """The aggregate over rows that have it already."""
        if self.how == "counts":
            return array(f"sum({self.name}[{n}])" for n in range(1, BUCKETS + 1))
        aggregate = {"sum": "sum", "least": "min", "greatest": "max"}[self.how]
        return f"{aggregate}({self.name})::bigint"

    @property
    def added(self) -> str:
        """The value of a row that is there and gets more."""
        known, more = f"known.{self.name}", f"excluded.{self.name}"
        if self.how == "counts":
            return array(f"{known}[{n}] + {more}[{n}]" for n in range(1, BUCKETS + 1))
        return f"{known} + {more}" if self.how == "sum" else f"{self.how}({known}, {more})"


@dataclass(frozen=True, slots=True)
class Family:
    """Tables with the same dimensions (column → SQL over what `source` names) and measures, the finest first."""

    source: str
    dimensions: dict[str, str]
    measures: tuple[Measure, ...]
    tables: tuple[Table, ...] = field(default=())

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, in the order of every SELECT here."""
        return ("at", *self.dimensions, *(measure.name for measure in self.measures))

    def table(self, unit: str) -> Table:
        """The table of this level. Raises ValueError when there is none."""
        found = [table for table in self.tables if table.unit == unit]
        if not found:
            raise ValueError(f"There is nothing by the {unit}; there is by the: {', '.join(self.units)}.")
        return found[0]

    @property
    def units(self) -> tuple[str, ...]:
        """The levels, the finest first."""
        return tuple(table.unit for table in self.tables)


def array(elements: Iterable[str]) -> str:
    """An array of small numbers, in SQL."""
    return f"ARRAY[{', '.join(elements)}]::integer[]"


def counts(bucket: str) -> str:
    """How many facts fall into each bucket."""
    return array(f"count(*) FILTER (WHERE {bucket} = {n})" for n in range(BUCKETS))


def total(column: str) -> str:
    """The sum of a column, 0 when nothing is known."""
    return f"coalesce(sum({column}), 0)::bigint"


_TOKENS = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
MEASURES = (
    Measure("requests", "count(*)"),
    Measure("streams", "count(*) FILTER (WHERE stream)"),
    Measure("attempts", total("attempt_count")),
    Measure("fallbacks", "count(*) FILTER (WHERE fallback_reason <> '')"),
    *(Measure(name, total(name)) for name in _TOKENS),
    Measure("estimated", "count(*) FILTER (WHERE estimated)"),
    Measure("cost_nano", total("cost_usd * 1000000000")),
    Measure("unpriced", "count(*) FILTER (WHERE cost_usd IS NULL AND attempt_count > 0)"),
    Measure("timed", "count(total_us)"),
    Measure("total_us", total("total_us")),
    Measure("total_least", "min(total_us)", "least"),
    Measure("total_greatest", "max(total_us)", "greatest"),
    Measure("overhead_us", total("overhead_us")),
    Measure("begun", "count(first_us)"),
    Measure("first_us", total("first_us")),
    Measure("first_least", "min(first_us)", "least"),
    Measure("first_greatest", "max(first_us)", "greatest"),
    Measure("total_counts", counts("total_bucket"), "counts"),
    Measure("first_counts", counts("first_bucket"), "counts"),
)
TRAFFIC = Family(
    "facts",
    {
        "alias": "alias",
        # Before a request is planned its policy is what the client sent, and could be anything.
        "policy": "CASE WHEN alias = '' THEN '' ELSE policy END",
        "tier": "tier",
        "provider": "provider",
        "deployment": "deployment",
        "endpoint": "btrim(CASE WHEN left(endpoint, 4) = '/v1/' THEN substr(endpoint, 4) ELSE endpoint END, '/')",
        "stream": "stream",
        "state": "state",
        "error": "error_code",
    },
    MEASURES,
    (
        Table("gateway_traffic_minute", "minute", 2),
        Table("gateway_traffic_hour", "hour", 35),
        Table("gateway_traffic_day", "day", 400),
    ),
)
KEYS = Family(
    "facts",
    {
        "user_id": "user_id",
        "key_id": f"coalesce(key_id, '{NO_KEY}')",
        "key_label": "key_label",
        "alias": "alias",
        "provider": "provider",
        "state": "state",
        "error": "error_code",
    },
    MEASURES,
    (Table("gateway_traffic_key_hour", "hour", 8), Table("gateway_traffic_key_day", "day", 400)),
)
STEPS = Family(
    "steps",
    {
        "provider": "provider",
        "deployment": "deployment",
        "word": "word",
        "skipped": "skipped",
        "next_provider": "next_provider",
        "next_deployment": "next_deployment",
    },
    (Measure("steps", "count(*)"),),
    (
        Table("gateway_traffic_step_minute", "minute", 2),
        Table("gateway_traffic_step_hour", "hour", 35),
        Table("gateway_traffic_step_day", "day", 400),
    ),
)
FAMILIES = (TRAFFIC, KEYS, STEPS)

_BOUNDS = f"'{{{','.join(map(str, BOUNDS))}}}'::float8[]"


def microseconds(column: str) -> str:
    """Whole numbers, so that sums do not depend on the order; more than 11 days are as good as 11 days."""
    return f"round(least({column}::float8, 1e9) * 1000)::bigint"


def facts(rows: str) -> str:
    """The CTEs `facts` (a log row each) and `steps` (a failed or passed-by attempt each), made of these log rows."""
    return f"""
facts AS MATERIALIZED (
    SELECT *, {MINUTE_OF_ID} AS minute, {microseconds("total_ms")} AS total_us,
           {microseconds("overhead_ms")} AS overhead_us, {microseconds("first_content_ms")} AS first_us,
           width_bucket(total_ms::float8, {_BOUNDS}) AS total_bucket,
           width_bucket(first_content_ms::float8, {_BOUNDS}) AS first_bucket
    FROM {rows}
),
tried AS (
    SELECT minute, id, number, coalesce(attempt->>'provider', '') AS provider,
           coalesce(attempt->>'deployment', '') AS deployment, coalesce(attempt->>'word', '') AS word,
           coalesce(attempt->'skipped' = 'true', false) AS skipped, attempts
    FROM facts CROSS JOIN LATERAL jsonb_array_elements(
        CASE WHEN jsonb_typeof(attempts) = 'array' THEN attempts ELSE '[]' END
    ) WITH ORDINALITY AS each (attempt, number)
),
steps AS (
    SELECT tried.*, coalesce(after->>'provider', '') AS next_provider,
           coalesce(after->>'deployment', '') AS next_deployment
    FROM tried LEFT JOIN LATERAL (
        SELECT later FROM jsonb_array_elements(attempts) WITH ORDINALITY AS each (later, place)
        WHERE place > number AND coalesce(later->'skipped' <> 'true', true) ORDER BY place LIMIT 1
    ) AS following (after) ON true
    WHERE word NOT IN ('', 'cancelled')
)"""
