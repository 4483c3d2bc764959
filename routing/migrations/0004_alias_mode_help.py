"""Words on what an alias's mode and targets are for."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("routing", "0003_prefix_rule"),
    ]

    operations = [
        migrations.AlterField(
            model_name="alias",
            name="mini_target",
            field=models.ForeignKey(
                blank=True,
                help_text="Exact alias for easy requests, once a mode chooses by difficulty. Not used by manual.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="mini_of",
                to="routing.alias",
            ),
        ),
        migrations.AlterField(
            model_name="alias",
            name="mode",
            field=models.CharField(
                choices=[("manual", "manual")],
                default="manual",
                help_text="manual: requests go where the routes say, and the targets are not used. Prepared for choosing by difficulty; the log keeps each request's mode and chosen model.",
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="alias",
            name="standard_target",
            field=models.ForeignKey(
                blank=True,
                help_text="Exact alias for demanding requests, once a mode chooses by difficulty. Not used by manual.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="standard_of",
                to="routing.alias",
            ),
        ),
    ]
