"""A trigger that adds new log rows to their roll-ups: in the transaction that writes them, a whole statement's at once.

Rows that are not new (a batch that is written again) are not in it, and what is rolled back was never counted. All
writers touch the tables in one order and the rows of a table in the order of its key, so that they may wait for each
other but never for one another. Whoever fills the log and makes the roll-ups anew anyway says SKIP before.
"""

from gateway.traffic.tables import FAMILIES, Family, Table, facts

SWITCH = "rainymodel.roll_up"
SKIP = f"SET LOCAL {SWITCH} = 'off'"


def trigger() -> str:
    """The SQL that makes function and trigger, or replaces them."""
    written = ",\n".join(family_written(family) for family in FAMILIES)
    return f"""
CREATE OR REPLACE FUNCTION gateway_roll_up() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    done boolean;
BEGIN
    IF coalesce(current_setting('{SWITCH}', true), '') = 'off' THEN
        RETURN NULL;
    END IF;
    WITH {facts("new_rows")},
    {written}
    SELECT true INTO done;
    RETURN NULL;
END
$$;
DROP TRIGGER IF EXISTS roll_up ON gateway_requestlog;
CREATE TRIGGER roll_up AFTER INSERT ON gateway_requestlog
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION gateway_roll_up()
"""


def family_written(family: Family) -> str:
    """CTEs that add the facts to each level; all but the finest are summed up from that one."""
    finest, *coarser = family.tables
    parts = [
        f"new_{finest.name} AS (\n{of_rows(family, finest)}\n)",
        put(family, finest, f"new_{finest.name}"),
    ]
    parts += [
        put(family, table, f"({of_sums(family, table, f'new_{finest.name}')}) AS summed") for table in coarser
    ]
    return ",\n".join(parts)


def of_rows(family: Family, table: Table) -> str:
    """The rows of a level, made of the facts."""
    dimensions = [f"{sql} AS {name}" for name, sql in family.dimensions.items()]
    measures = [f"{measure.of_rows} AS {measure.name}" for measure in family.measures]
    return select(family, [begin(table, "minute"), *dimensions, *measures], family.source)


def of_sums(family: Family, table: Table, source: str) -> str:
    """The rows of a level, made of a finer one's."""
    measures = [f"{measure.of_sums} AS {measure.name}" for measure in family.measures]
    return select(family, [begin(table, "at"), *family.dimensions, *measures], source)


def select(family: Family, columns: list[str], source: str) -> str:
    """Columns of a family, grouped by time and dimensions."""
    groups = ", ".join(str(number + 1) for number in range(len(family.dimensions) + 1))
    return f"SELECT {', '.join(columns)}\nFROM {source} GROUP BY {groups}"


def begin(table: Table, moment: str) -> str:
    """The begin of the level's row that a moment belongs to."""
    return f"date_trunc('{table.unit}', {moment}, 'UTC') AS at"


def put(family: Family, table: Table, source: str) -> str:
    """A CTE that adds rows to a table."""
    key = ", ".join(["at", *family.dimensions])
    added = ", ".join(f"{measure.name} = {measure.added}" for measure in family.measures)
    return (
        f"put_{table.name} AS (INSERT INTO {table.name} AS known ({', '.join(family.columns)})\n"
        f"SELECT * FROM {source} ORDER BY {key}\nON CONFLICT ({key}) DO UPDATE SET {added})"
    )
