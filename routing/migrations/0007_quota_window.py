from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("routing", "0006_scheduled_publication"),
    ]

    operations = [
        migrations.AddField(
            model_name="provider",
            name="quota_window",
            field=models.CharField(
                blank=True,
                choices=[("day", "the next UTC day"), ("month", "the next UTC month")],
                help_text="When used-up credits return, where the upstream does not say. Until then one hour's pause "
                "follows another, and a request tries again after each. Empty: unknown, a pause of 15 minutes.",
                max_length=8,
                null=True,
            ),
        ),
    ]
