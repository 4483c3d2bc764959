"""Limits of an account over all its keys, and ceilings over all callers; workers hear of changes of both."""

import django.core.validators
from decimal import Decimal
from django.db import migrations, models

# As in 0005, with the account's limits.
USER_COLUMNS = """
    id, username, email, role, is_active, issuer, subject,
    requests_per_minute, tokens_per_minute, concurrent_requests, usd_per_day, usd_per_month
"""
USER_COLUMNS_BEFORE = "id, username, email, role, is_active, issuer, subject"
CEILINGS = """
CREATE TRIGGER access_change AFTER INSERT OR DELETE OR UPDATE
    ON accounts_ceiling FOR EACH STATEMENT EXECUTE FUNCTION accounts_note_access_change();
"""


def watch(columns: str) -> str:
    """The trigger on users, made again for these columns."""
    return f"""
DROP TRIGGER access_change ON accounts_user;
CREATE TRIGGER access_change AFTER INSERT OR DELETE OR UPDATE OF {columns}
    ON accounts_user FOR EACH STATEMENT EXECUTE FUNCTION accounts_note_access_change();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0005_sign_in"),
    ]

    operations = [
        migrations.AddField(
            model_name="user",
            name="concurrent_requests",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Of all keys together. Empty: no limit.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(10000),
                ],
                verbose_name="requests at once",
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="requests_per_minute",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Of all keys together. Empty: no limit.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(1000000),
                ],
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="tokens_per_minute",
            field=models.PositiveBigIntegerField(
                blank=True,
                help_text="Of all keys together. Empty: no limit.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(10000000000),
                ],
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="usd_per_day",
            field=models.DecimalField(
                blank=True,
                decimal_places=6,
                help_text="Of all keys together. Empty: no limit.",
                max_digits=14,
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(Decimal("0.01")),
                    django.core.validators.MaxValueValidator(Decimal("1000000")),
                ],
                verbose_name="USD per day",
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="usd_per_month",
            field=models.DecimalField(
                blank=True,
                decimal_places=6,
                help_text="Of all keys together. Empty: no limit.",
                max_digits=14,
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(Decimal("0.01")),
                    django.core.validators.MaxValueValidator(Decimal("1000000")),
                ],
                verbose_name="USD per month",
            ),
        ),
        migrations.CreateModel(
            name="Ceiling",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "scope",
                    models.CharField(
                        choices=[("alias", "Alias"), ("tier", "Tier"), ("paid", "All paid tiers")],
                        max_length=8,
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        blank=True,
                        help_text="The alias as clients ask for it, or the tier's slug. Empty for all paid tiers.",
                        max_length=120,
                        validators=[
                            django.core.validators.RegexValidator(
                                "^[^\\s,\\x00-\\x1f\\x7f]+\\Z",
                                "A model name holds no spaces, commas or control characters.",
                            )
                        ],
                    ),
                ),
                (
                    "usd_per_day",
                    models.DecimalField(
                        blank=True,
                        decimal_places=6,
                        help_text="Empty: no ceiling.",
                        max_digits=14,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal("0.01")),
                            django.core.validators.MaxValueValidator(Decimal("1000000")),
                        ],
                        verbose_name="USD per day",
                    ),
                ),
                (
                    "usd_per_month",
                    models.DecimalField(
                        blank=True,
                        decimal_places=6,
                        help_text="Empty: no ceiling.",
                        max_digits=14,
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(Decimal("0.01")),
                            django.core.validators.MaxValueValidator(Decimal("1000000")),
                        ],
                        verbose_name="USD per month",
                    ),
                ),
            ],
            options={
                "ordering": ["scope", "name"],
                "constraints": [models.UniqueConstraint(fields=("scope", "name"), name="ceiling_scope_name")],
            },
        ),
        migrations.RunSQL(
            watch(USER_COLUMNS) + CEILINGS,
            "DROP TRIGGER access_change ON accounts_ceiling;" + watch(USER_COLUMNS_BEFORE),
        ),
    ]
