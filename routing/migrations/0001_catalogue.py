"""The catalogue's tables, the revisions published from them, and the sealed provider secrets."""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
import routing.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="CatalogueRevision",
            fields=[
                ("number", models.PositiveIntegerField(primary_key=True, serialize=False)),
                ("document", models.JSONField()),
                ("sha256", models.CharField(max_length=64)),
                ("author", models.CharField(max_length=255)),
                ("note", models.CharField(blank=True, max_length=300)),
                ("parent", models.PositiveIntegerField(null=True)),
                ("published_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["-number"],
            },
        ),
        migrations.CreateModel(
            name="Provider",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "slug",
                    models.CharField(
                        max_length=40,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-z0-9][a-z0-9-]{0,39}\\Z",
                                "Use lower-case letters, digits and hyphens, at most 40, beginning with a letter or digit.",
                            )
                        ],
                    ),
                ),
                (
                    "upstream",
                    models.CharField(
                        help_text="Shown in response headers.",
                        max_length=40,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-z0-9][a-z0-9-]{0,39}\\Z",
                                "Use lower-case letters, digits and hyphens, at most 40, beginning with a letter or digit.",
                            )
                        ],
                        verbose_name="label",
                    ),
                ),
                (
                    "wire",
                    models.CharField(
                        choices=[("openai", "openai"), ("litellm", "litellm")],
                        default="openai",
                        max_length=16,
                    ),
                ),
                (
                    "litellm_prefix",
                    models.CharField(
                        blank=True,
                        help_text="For the litellm wire, e.g. “anthropic/”.",
                        max_length=40,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-z0-9_-]+/\\Z",
                                "Write litellm's provider name and a slash, e.g. anthropic/.",
                            )
                        ],
                        verbose_name="litellm prefix",
                    ),
                ),
                (
                    "base_url",
                    models.CharField(
                        blank=True,
                        help_text="Up to and with /v1. May hold ${VARIABLE:-default} for the URL variables.",
                        max_length=300,
                        validators=[routing.validators.valid_base_url],
                        verbose_name="base URL",
                    ),
                ),
                (
                    "address_class",
                    models.CharField(
                        choices=[("public", "public"), ("private", "private"), ("plaintext", "plaintext")],
                        default="public",
                        max_length=16,
                    ),
                ),
                (
                    "credential_variable",
                    models.CharField(
                        blank=True,
                        help_text="Name of the environment variable that holds the credential, e.g. OPENAI_API_KEY.",
                        max_length=80,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[A-Z][A-Z0-9_]*\\Z",
                                "Name an environment variable: capital letters, digits and underscores. Never the secret itself.",
                            )
                        ],
                    ),
                ),
                (
                    "extra_headers",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text='Sent with every request, e.g. {"X-Title": "RainyModel"}. No secrets here.',
                        validators=[routing.validators.valid_headers],
                    ),
                ),
                (
                    "connect_limit",
                    models.FloatField(
                        default=3,
                        help_text="Seconds to connect.",
                        validators=[
                            django.core.validators.MinValueValidator(0.05),
                            django.core.validators.MaxValueValidator(3600),
                        ],
                    ),
                ),
                (
                    "first_content_limit",
                    models.FloatField(
                        default=60,
                        help_text="Seconds to the first content.",
                        validators=[
                            django.core.validators.MinValueValidator(0.05),
                            django.core.validators.MaxValueValidator(3600),
                        ],
                    ),
                ),
                (
                    "idle_limit",
                    models.FloatField(
                        default=30,
                        help_text="Seconds of silence inside an answer.",
                        validators=[
                            django.core.validators.MinValueValidator(0.05),
                            django.core.validators.MaxValueValidator(3600),
                        ],
                    ),
                ),
                (
                    "total_limit",
                    models.FloatField(
                        default=600,
                        help_text="Seconds for one whole answer.",
                        validators=[
                            django.core.validators.MinValueValidator(0.05),
                            django.core.validators.MaxValueValidator(3600),
                        ],
                    ),
                ),
                (
                    "concurrency_limit",
                    models.PositiveSmallIntegerField(
                        blank=True,
                        help_text="Requests at once, all workers together.",
                        null=True,
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "open_after",
                    models.PositiveSmallIntegerField(
                        default=3,
                        help_text="Unhealthy answers in a row that open the circuit.",
                        validators=[django.core.validators.MinValueValidator(1)],
                    ),
                ),
                (
                    "open_for",
                    models.FloatField(
                        default=60,
                        help_text="Seconds the circuit stays open at first.",
                        validators=[
                            django.core.validators.MinValueValidator(0.05),
                            django.core.validators.MaxValueValidator(3600),
                        ],
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
            ],
            options={
                "ordering": ["slug"],
            },
        ),
        migrations.CreateModel(
            name="PublishingSwitch",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "held",
                    models.BooleanField(
                        default=False, help_text="Hold publishing: saves stay a draft until published."
                    ),
                ),
                ("litellm_imported_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={
                "verbose_name": "publishing switch",
                "verbose_name_plural": "publishing switch",
            },
        ),
        migrations.CreateModel(
            name="Tier",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "slug",
                    models.CharField(
                        max_length=40,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-z0-9][a-z0-9-]{0,39}\\Z",
                                "Use lower-case letters, digits and hyphens, at most 40, beginning with a letter or digit.",
                            )
                        ],
                    ),
                ),
                ("name", models.CharField(max_length=80)),
                (
                    "billing",
                    models.CharField(
                        choices=[("free", "free"), ("self_hosted", "self hosted"), ("paid", "paid")],
                        max_length=16,
                    ),
                ),
                (
                    "rank",
                    models.PositiveSmallIntegerField(
                        help_text="Lower is cheaper; a key's highest tier compares by rank."
                    ),
                ),
            ],
            options={
                "ordering": ["rank"],
            },
        ),
        migrations.CreateModel(
            name="TierPolicy",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=40,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-z0-9][a-z0-9-]{0,39}\\Z",
                                "Use lower-case letters, digits and hyphens, at most 40, beginning with a letter or digit.",
                            )
                        ],
                    ),
                ),
                (
                    "synonyms",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            max_length=40,
                            validators=[
                                django.core.validators.RegexValidator(
                                    "\\A[a-z0-9][a-z0-9-]{0,39}\\Z",
                                    "Use lower-case letters, digits and hyphens, at most 40, beginning with a letter or digit.",
                                )
                            ],
                        ),
                        blank=True,
                        default=list,
                        help_text="Other names for it, comma-separated.",
                        size=None,
                    ),
                ),
                ("description", models.CharField(blank=True, max_length=200)),
                (
                    "price_ceiling",
                    models.DecimalField(
                        blank=True,
                        decimal_places=6,
                        help_text="USD per million tokens; dearer or unpriced deployments are left out. Empty: none.",
                        max_digits=14,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "tier policies",
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Alias",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "name",
                    models.CharField(
                        help_text="e.g. rainymodel/auto, claude-*, *",
                        max_length=120,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A(?!.*\\*.*\\*)[!-~]+\\Z",
                                "Use printable characters without spaces, and at most one *.",
                            )
                        ],
                    ),
                ),
                ("description", models.CharField(blank=True, max_length=200)),
                (
                    "first_content_deadline",
                    models.FloatField(
                        default=300,
                        help_text="Seconds to first content, all attempts.",
                        validators=[
                            django.core.validators.MinValueValidator(0.05),
                            django.core.validators.MaxValueValidator(3600),
                        ],
                    ),
                ),
                (
                    "total_deadline",
                    models.FloatField(
                        default=600,
                        help_text="Seconds in all.",
                        validators=[
                            django.core.validators.MinValueValidator(0.05),
                            django.core.validators.MaxValueValidator(3600),
                        ],
                    ),
                ),
                ("mode", models.CharField(choices=[("manual", "manual")], default="manual", max_length=16)),
                ("listed", models.BooleanField(default=True, help_text="Shown in GET /v1/models.")),
                ("enabled", models.BooleanField(default=True)),
                (
                    "mini_target",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="mini_of",
                        to="routing.alias",
                    ),
                ),
                (
                    "standard_target",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="standard_of",
                        to="routing.alias",
                    ),
                ),
                (
                    "policy",
                    models.ForeignKey(
                        blank=True,
                        help_text="Default policy; empty: auto.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="routing.tierpolicy",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "aliases",
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Deployment",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "slug",
                    models.CharField(
                        blank=True,
                        help_text="Empty: provider/model.",
                        max_length=201,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[!-~]+\\Z", "Use printable characters without spaces."
                            )
                        ],
                    ),
                ),
                (
                    "model",
                    models.CharField(
                        max_length=160,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A(?!.*\\*.*\\*)[!-~]+\\Z",
                                "Use printable characters without spaces, and at most one *.",
                            )
                        ],
                        verbose_name="upstream model",
                    ),
                ),
                (
                    "context_window",
                    models.PositiveIntegerField(blank=True, help_text="Tokens; empty: unknown.", null=True),
                ),
                (
                    "output_limit",
                    models.PositiveIntegerField(blank=True, help_text="Tokens; empty: unknown.", null=True),
                ),
                (
                    "capabilities",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("tools", "tools"),
                                ("vision", "vision"),
                                ("json_schema", "json schema"),
                                ("audio", "audio"),
                                ("reasoning", "reasoning"),
                            ],
                            max_length=20,
                        ),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "dialects",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
                            choices=[
                                ("chat", "chat"),
                                ("completions", "completions"),
                                ("responses", "responses"),
                                ("messages", "messages"),
                                ("embeddings", "embeddings"),
                            ],
                            max_length=20,
                        ),
                        blank=True,
                        default=list,
                        size=None,
                    ),
                ),
                (
                    "parameter_policy",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        help_text='{"max_tokens": "max_completion_tokens"} renames, {"temperature": null} drops.',
                        validators=[routing.validators.valid_parameter_policy],
                    ),
                ),
                (
                    "quality",
                    models.PositiveSmallIntegerField(
                        default=0, help_text="For the strategy “best”; higher is better."
                    ),
                ),
                (
                    "first_content_limit",
                    models.FloatField(
                        blank=True,
                        help_text="Seconds; empty: the provider's.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(0.05),
                            django.core.validators.MaxValueValidator(3600),
                        ],
                    ),
                ),
                (
                    "idle_limit",
                    models.FloatField(
                        blank=True,
                        help_text="Seconds; empty: the provider's.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(0.05),
                            django.core.validators.MaxValueValidator(3600),
                        ],
                    ),
                ),
                (
                    "total_limit",
                    models.FloatField(
                        blank=True,
                        help_text="Seconds; empty: the provider's.",
                        null=True,
                        validators=[
                            django.core.validators.MinValueValidator(0.05),
                            django.core.validators.MaxValueValidator(3600),
                        ],
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                (
                    "source",
                    models.CharField(
                        blank=True,
                        help_text="Where prices and capabilities were read, and when.",
                        max_length=200,
                    ),
                ),
                (
                    "provider",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deployments",
                        to="routing.provider",
                    ),
                ),
                (
                    "tier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="deployments",
                        to="routing.tier",
                    ),
                ),
            ],
            options={
                "ordering": ["provider__slug", "model"],
            },
        ),
        migrations.CreateModel(
            name="ProviderSecret",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("provider_slug", models.CharField(max_length=40)),
                ("base_url", models.CharField(max_length=400)),
                ("sealed", models.BinaryField()),
                ("last_four", models.CharField(max_length=4)),
                ("set_at", models.DateTimeField(auto_now=True)),
                ("set_by", models.CharField(max_length=255)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("provider_slug", "base_url"), name="secret_per_address")
                ],
            },
        ),
        migrations.CreateModel(
            name="SeededRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("key", models.CharField(max_length=201)),
            ],
            options={
                "constraints": [models.UniqueConstraint(fields=("kind", "key"), name="seeded_once")],
            },
        ),
        migrations.CreateModel(
            name="Price",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("starts", models.DateTimeField(help_text="In force from then on.")),
                (
                    "input",
                    models.DecimalField(
                        blank=True,
                        decimal_places=6,
                        max_digits=14,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                    ),
                ),
                (
                    "cached_input",
                    models.DecimalField(
                        blank=True,
                        decimal_places=6,
                        max_digits=14,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                    ),
                ),
                (
                    "output",
                    models.DecimalField(
                        blank=True,
                        decimal_places=6,
                        max_digits=14,
                        null=True,
                        validators=[django.core.validators.MinValueValidator(0)],
                    ),
                ),
                (
                    "deployment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="prices",
                        to="routing.deployment",
                    ),
                ),
            ],
            options={
                "ordering": ["starts"],
                "constraints": [
                    models.UniqueConstraint(fields=("deployment", "starts"), name="one_price_per_start")
                ],
            },
        ),
        migrations.CreateModel(
            name="Route",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("position", models.PositiveIntegerField(db_index=True, default=0)),
                (
                    "weight",
                    models.PositiveSmallIntegerField(
                        default=1, validators=[django.core.validators.MinValueValidator(1)]
                    ),
                ),
                ("enabled", models.BooleanField(default=True)),
                (
                    "alias",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="routes", to="routing.alias"
                    ),
                ),
                (
                    "deployment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="routes",
                        to="routing.deployment",
                    ),
                ),
            ],
            options={
                "ordering": ["position"],
                "constraints": [
                    models.UniqueConstraint(fields=("alias", "deployment"), name="deployment_once_per_alias")
                ],
            },
        ),
        migrations.CreateModel(
            name="PolicyStep",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "strategy",
                    models.CharField(
                        choices=[
                            ("listed", "listed"),
                            ("cheapest", "cheapest"),
                            ("best", "best"),
                            ("fastest", "fastest"),
                            ("weighted", "weighted"),
                        ],
                        default="listed",
                        max_length=16,
                    ),
                ),
                ("position", models.PositiveIntegerField(db_index=True, default=0)),
                ("tier", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, to="routing.tier")),
                (
                    "policy",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="steps",
                        to="routing.tierpolicy",
                    ),
                ),
            ],
            options={
                "ordering": ["position"],
                "constraints": [
                    models.UniqueConstraint(fields=("policy", "tier"), name="tier_once_per_policy")
                ],
            },
        ),
    ]
