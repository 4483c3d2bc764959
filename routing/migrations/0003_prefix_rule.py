"""Some of litellm's providers are refused by name."""

import routing.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("routing", "0002_notify_on_publish"),
    ]

    operations = [
        migrations.AlterField(
            model_name="provider",
            name="litellm_prefix",
            field=models.CharField(
                blank=True,
                help_text="For the litellm wire, e.g. “anthropic/”.",
                max_length=40,
                validators=[routing.validators.valid_prefix],
                verbose_name="litellm prefix",
            ),
        ),
    ]
