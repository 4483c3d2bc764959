"""Prompts and answers of keys whose owners consented, sealed."""

from django.db import migrations, models
from django.db.models.functions import Now


class Migration(migrations.Migration):
    dependencies = [("gateway", "0004_upstream_states")]
    operations = [
        migrations.CreateModel(
            "StoredPrompt",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                ("key_id", models.UUIDField()),
                ("user_id", models.TextField(default="", db_default="")),
                ("stored_at", models.DateTimeField(db_default=Now())),
                ("sealed", models.BinaryField()),
            ],
            options={
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["key_id"], name="storedprompt_key"),
                    models.Index(fields=["user_id"], name="storedprompt_user"),
                ],
            },
        ),
    ]
