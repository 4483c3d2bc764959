"""The request log, partitioned by day, with the tables of refused rows and of workers."""

from datetime import UTC, datetime

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.functions
import uuid
from django.db import migrations, models

from gateway.partitions import DAY, creation

# Django cannot say PARTITION BY, so the table is made in SQL and only described to Django.
CREATE = """
CREATE TABLE gateway_requestlog (
    id uuid PRIMARY KEY,
    started_at timestamptz NOT NULL,
    worker text NOT NULL DEFAULT '',
    endpoint text NOT NULL DEFAULT '',
    client_request_id text NOT NULL DEFAULT '',
    requested_model text NOT NULL DEFAULT '',
    alias text NOT NULL DEFAULT '',
    policy text NOT NULL DEFAULT '',
    provider_filter text NOT NULL DEFAULT '',
    needs text[] NOT NULL DEFAULT '{}',
    input_tokens_estimate integer NOT NULL DEFAULT 0,
    max_tokens bigint,
    stream boolean NOT NULL DEFAULT false,
    end_user text NOT NULL DEFAULT '',
    deadline_ms integer,
    key_id uuid,
    key_label text NOT NULL DEFAULT '',
    user_id text NOT NULL DEFAULT '',
    client_address text NOT NULL DEFAULT '',
    user_agent text NOT NULL DEFAULT '',
    revision integer NOT NULL DEFAULT 0,
    attempts jsonb NOT NULL DEFAULT '[]',
    attempt_count smallint NOT NULL DEFAULT 0,
    fallback_reason text NOT NULL DEFAULT '',
    tier text NOT NULL DEFAULT '',
    provider text NOT NULL DEFAULT '',
    upstream text NOT NULL DEFAULT '',
    deployment text NOT NULL DEFAULT '',
    upstream_model text NOT NULL DEFAULT '',
    first_content_ms real,
    total_ms real,
    overhead_ms real,
    usage_raw jsonb,
    input_tokens integer NOT NULL DEFAULT 0,
    cached_tokens integer NOT NULL DEFAULT 0,
    output_tokens integer NOT NULL DEFAULT 0,
    reasoning_tokens integer NOT NULL DEFAULT 0,
    estimated boolean NOT NULL DEFAULT false,
    price jsonb,
    cost_usd numeric(18, 9),
    parameter_edits jsonb NOT NULL DEFAULT '{}',
    reservation jsonb,
    state text NOT NULL,
    status smallint NOT NULL DEFAULT 0,
    error_code text NOT NULL DEFAULT ''
) PARTITION BY RANGE (id);
CREATE TABLE gateway_requestlog_default PARTITION OF gateway_requestlog DEFAULT;
CREATE INDEX requestlog_key ON gateway_requestlog (key_id, id);
CREATE INDEX requestlog_state ON gateway_requestlog (state, id);
CREATE INDEX requestlog_label ON gateway_requestlog (upper(key_label) text_pattern_ops);
"""


def create_first_partitions(apps, schema_editor):
    """Today's and the next three days'; later ones are made by the workers."""
    today = datetime.now(UTC).date()
    for day in (today + DAY * n for n in range(4)):
        for statement in creation(day):
            schema_editor.execute(statement)


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(CREATE, "DROP TABLE gateway_requestlog"),
                migrations.RunPython(create_first_partitions, migrations.RunPython.noop),
            ],
            state_operations=[
                migrations.CreateModel(
                    name="RequestLog",
                    fields=[
                        ("id", models.UUIDField(primary_key=True, serialize=False)),
                        ("started_at", models.DateTimeField()),
                        ("worker", models.TextField(default="")),
                        ("endpoint", models.TextField(default="")),
                        ("client_request_id", models.TextField(default="")),
                        ("requested_model", models.TextField(default="")),
                        ("alias", models.TextField(default="")),
                        ("policy", models.TextField(default="")),
                        ("provider_filter", models.TextField(default="")),
                        (
                            "needs",
                            django.contrib.postgres.fields.ArrayField(
                                base_field=models.TextField(), default=list, size=None
                            ),
                        ),
                        ("input_tokens_estimate", models.IntegerField(default=0)),
                        ("max_tokens", models.BigIntegerField(null=True)),
                        ("stream", models.BooleanField(default=False)),
                        ("end_user", models.TextField(default="")),
                        ("deadline_ms", models.IntegerField(null=True)),
                        ("key_id", models.UUIDField(null=True)),
                        ("key_label", models.TextField(default="")),
                        ("user_id", models.TextField(default="")),
                        ("client_address", models.TextField(default="")),
                        ("user_agent", models.TextField(default="")),
                        ("revision", models.IntegerField(default=0)),
                        ("attempts", models.JSONField(default=list)),
                        ("attempt_count", models.SmallIntegerField(default=0)),
                        ("fallback_reason", models.TextField(default="")),
                        ("tier", models.TextField(default="")),
                        ("provider", models.TextField(default="")),
                        ("upstream", models.TextField(default="")),
                        ("deployment", models.TextField(default="")),
                        ("upstream_model", models.TextField(default="")),
                        ("first_content_ms", models.FloatField(null=True)),
                        ("total_ms", models.FloatField(null=True)),
                        ("overhead_ms", models.FloatField(null=True)),
                        ("usage_raw", models.JSONField(null=True)),
                        ("input_tokens", models.IntegerField(default=0)),
                        ("cached_tokens", models.IntegerField(default=0)),
                        ("output_tokens", models.IntegerField(default=0)),
                        ("reasoning_tokens", models.IntegerField(default=0)),
                        ("estimated", models.BooleanField(default=False)),
                        ("price", models.JSONField(null=True)),
                        ("cost_usd", models.DecimalField(decimal_places=9, max_digits=18, null=True)),
                        ("parameter_edits", models.JSONField(default=dict)),
                        ("reservation", models.JSONField(null=True)),
                        (
                            "state",
                            models.TextField(
                                choices=[
                                    ("ok", "OK"),
                                    ("client_error", "Client error"),
                                    ("upstream_error", "Upstream error"),
                                    ("truncated", "Truncated"),
                                    ("cancelled", "Cancelled"),
                                    ("refused", "Refused"),
                                    ("lost", "Lost"),
                                ],
                                default="lost",
                            ),
                        ),
                        ("status", models.SmallIntegerField(default=0)),
                        ("error_code", models.TextField(default="")),
                    ],
                    options={
                        "verbose_name": "request",
                        "default_permissions": ("view",),
                        "indexes": [
                            models.Index(fields=["key_id", "id"], name="requestlog_key"),
                            models.Index(fields=["state", "id"], name="requestlog_state"),
                            models.Index(
                                django.contrib.postgres.indexes.OpClass(
                                    django.db.models.functions.Upper("key_label"), name="text_pattern_ops"
                                ),
                                name="requestlog_label",
                            ),
                        ],
                    },
                ),
            ],
        ),
        migrations.CreateModel(
            name="DeadLetter",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "row",
                    models.TextField(help_text="The row as JSON, as it was refused; cut when very long."),
                ),
                ("reason", models.TextField()),
                ("at", models.DateTimeField(db_default=django.db.models.functions.Now())),
            ],
            options={
                "verbose_name": "refused log row",
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="Worker",
            fields=[
                ("id", models.UUIDField(default=uuid.uuid4, primary_key=True, serialize=False)),
                ("hostname", models.TextField()),
                ("pid", models.IntegerField()),
                ("number", models.IntegerField(default=0)),
                ("started_at", models.DateTimeField()),
                ("heartbeat_at", models.DateTimeField()),
                ("revision", models.IntegerField(default=0)),
                ("revision_since", models.DateTimeField(null=True)),
                ("ready", models.BooleanField(default=False)),
                ("version", models.TextField(default="")),
            ],
            options={
                "ordering": ("hostname", "number", "id"),
                "default_permissions": ("view",),
            },
        ),
    ]
