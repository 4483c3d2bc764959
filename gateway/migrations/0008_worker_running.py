"""How many requests each worker has at each provider, for the page of the providers' health."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("gateway", "0007_request_log_filters")]
    operations = [
        migrations.AddField(
            "worker",
            "running",
            models.JSONField(default=dict, db_default=models.Value({}, models.JSONField())),
        )
    ]
