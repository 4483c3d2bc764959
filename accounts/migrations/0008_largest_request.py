"""A key's own limit for the body of a request; workers hear of its changes."""

import django.core.validators
from django.db import migrations, models

# A trigger of its own beside the one for the other columns: a change of both counts twice, which harms nobody.
FORWARD = """
CREATE TRIGGER access_change_body AFTER UPDATE OF max_body_mb
    ON accounts_apikey FOR EACH STATEMENT EXECUTE FUNCTION accounts_note_access_change();
"""
BACKWARD = "DROP TRIGGER access_change_body ON accounts_apikey;"


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0007_ledger_waits"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="max_body_mb",
            field=models.PositiveSmallIntegerField(
                blank=True,
                help_text="How large the body of one request may be, at most 50 MB. Empty: the default.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(50),
                ],
                verbose_name="largest request, MB",
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
