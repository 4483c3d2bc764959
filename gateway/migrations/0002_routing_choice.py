"""Which model a request was given by the alias's mode, beside the one it asked for."""

from django.db import migrations, models

# The columns' defaults stay in the database, so that workers of the version before can write on.
ADD = """
ALTER TABLE gateway_requestlog
    ADD COLUMN routing_mode text NOT NULL DEFAULT '',
    ADD COLUMN selected_model text NOT NULL DEFAULT ''
"""
DROP = "ALTER TABLE gateway_requestlog DROP COLUMN routing_mode, DROP COLUMN selected_model"


class Migration(migrations.Migration):
    dependencies = [("gateway", "0001_request_log")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(ADD, DROP)],
            state_operations=[
                migrations.AddField("requestlog", "routing_mode", models.TextField(default="")),
                migrations.AddField("requestlog", "selected_model", models.TextField(default="")),
            ],
        )
    ]
