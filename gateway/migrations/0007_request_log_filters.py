"""Two small indexes for the request log's filters: by end user, and by the reason of a fallback.

They hold only the rows that have one. Each day's part is built without stopping whoever writes the log; a build that
was broken off is done again by the next run. Days to come get theirs with their table.
"""

from django.db import migrations

TABLE = "gateway_requestlog"
INDEXES = {"requestlog_end_user": "end_user", "requestlog_fallback": "fallback_reason"}
PARTS = """
SELECT part.relid::regclass::text FROM pg_partition_tree(%s::regclass) AS part
WHERE part.isleaf AND NOT EXISTS (
    SELECT FROM pg_index AS own JOIN pg_inherits AS link ON link.inhrelid = own.indexrelid
    WHERE own.indrelid = part.relid AND link.inhparent = %s::regclass
)
"""


def build(apps, schema_editor):
    """The index of the whole table first, empty, then each day's, which completes it."""
    with schema_editor.connection.cursor() as cursor:
        for index, column in INDEXES.items():
            described = f"({column}, id) WHERE {column} <> ''"
            cursor.execute(f"CREATE INDEX IF NOT EXISTS {index} ON ONLY {TABLE} {described}")
            cursor.execute(PARTS, [TABLE, index])
            for (part,) in cursor.fetchall():
                own = f"{part}_{column}_id"
                cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {own}")
                cursor.execute(f"CREATE INDEX CONCURRENTLY {own} ON {part} {described}")
                cursor.execute(f"ALTER INDEX {index} ATTACH PARTITION {own}")


def remove(apps, schema_editor):
    """With the index of the whole table go those of the days."""
    for index in INDEXES:
        schema_editor.execute(f"DROP INDEX IF EXISTS {index}")


class Migration(migrations.Migration):
    atomic = False  # building an index beside running writers is not possible in a transaction
    dependencies = [("gateway", "0006_traffic")]
    operations = [migrations.RunPython(build, remove)]
