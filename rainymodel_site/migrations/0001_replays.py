"""Replays of logged requests through another catalogue."""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models
from django.db.models.functions import Now

STATES = [
    ("waiting", "starting"),
    ("running", "running"),
    ("done", "done"),
    ("cancelled", "cancelled"),
    ("failed", "failed"),
]


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Replay",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("asked_at", models.DateTimeField(db_default=Now())),
                ("asked_by", models.TextField()),
                ("days", models.SmallIntegerField()),
                ("revision", models.TextField()),
                ("down", ArrayField(base_field=models.TextField(), default=list, size=None)),
                ("down_deployments", ArrayField(base_field=models.TextField(), default=list, size=None)),
                ("state", models.TextField(choices=STATES, default="waiting")),
                ("started_at", models.DateTimeField(null=True)),
                ("ended_at", models.DateTimeField(null=True)),
                ("heartbeat_at", models.DateTimeField(null=True)),
                ("pid", models.IntegerField(null=True)),
                ("progress", models.FloatField(default=0.0)),
                ("requests", models.BigIntegerField(default=0)),
                ("problem", models.TextField(default="")),
                ("result", models.JSONField(null=True)),
            ],
            options={"ordering": ("-id",), "default_permissions": ()},
        ),
    ]
