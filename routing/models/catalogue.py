"""The catalogue's tables: the draft that operators edit, and all that a document holds."""

from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from routing.engine import snapshot as values
from routing.validators import (
    DEPLOYMENT_SLUG,
    MODEL_NAME,
    SLUG,
    VARIABLE,
    valid_base_url,
    valid_headers,
    valid_parameter_policy,
    valid_prefix,
)


def choices(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Words of the engine as Django choices."""
    return [(word, word.replace("_", " ")) for word in words]


PRICE: dict[str, Any] = {
    "max_digits": 14,
    "decimal_places": 6,
    "null": True,
    "blank": True,
    "validators": [MinValueValidator(0)],
}
SECONDS: dict[str, Any] = {"validators": [MinValueValidator(0.05), MaxValueValidator(3600)]}


class Tier(models.Model):
    """A class of cost and trust."""

    slug = models.CharField(max_length=40, unique=True, validators=[SLUG])
    name = models.CharField(max_length=80)
    billing = models.CharField(max_length=16, choices=choices(values.BILLINGS))
    rank = models.PositiveSmallIntegerField(
        help_text="Lower is cheaper; a key's highest tier compares by rank."
    )

    class Meta:
        ordering = ["rank"]

    def __str__(self) -> str:
        return self.name


class Provider(models.Model):
    """One upstream service."""

    slug = models.CharField(max_length=40, unique=True, validators=[SLUG])
    upstream = models.CharField(
        "label", max_length=40, validators=[SLUG], help_text="Shown in response headers."
    )
    wire = models.CharField(max_length=16, choices=choices(values.WIRES), default="openai")
    litellm_prefix = models.CharField(
        "litellm prefix",
        max_length=40,
        blank=True,
        validators=[valid_prefix],
        help_text="For the litellm wire, e.g. “anthropic/”.",
    )
    base_url = models.CharField(
        "base URL",
        max_length=300,
        blank=True,
        validators=[valid_base_url],
        help_text="Up to and with /v1. May hold ${VARIABLE:-default} for the URL variables.",
    )
    address_class = models.CharField(max_length=16, choices=choices(values.ADDRESS_CLASSES), default="public")
    credential_variable = models.CharField(
        max_length=80,
        blank=True,
        validators=[VARIABLE],
        help_text="Name of the environment variable that holds the credential, e.g. OPENAI_API_KEY.",
    )
    extra_headers = models.JSONField(
        default=dict,
        blank=True,
        validators=[valid_headers],
        help_text='Sent with every request, e.g. {"X-Title": "RainyModel"}. No secrets here.',
    )
    connect_limit = models.FloatField(default=3, help_text="Seconds to connect.", **SECONDS)
    first_content_limit = models.FloatField(default=60, help_text="Seconds to the first content.", **SECONDS)
    idle_limit = models.FloatField(default=30, help_text="Seconds of silence inside an answer.", **SECONDS)
    total_limit = models.FloatField(default=600, help_text="Seconds for one whole answer.", **SECONDS)
    concurrency_limit = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Requests at once, all workers together.",
    )
    open_after = models.PositiveSmallIntegerField(
        default=3,
        validators=[MinValueValidator(1)],
        help_text="Unhealthy answers in a row that open the circuit.",
    )
    open_for = models.FloatField(
        default=5, help_text="Seconds the circuit stays open at first; twice as long each time.", **SECONDS
    )
    quota_window = models.CharField(  # noqa: DJ001  (revisions of before it have no such field, and read as None)
        max_length=8,
        null=True,
        blank=True,
        choices=[("day", "the next UTC day"), ("month", "the next UTC month")],
        help_text="When used-up credits return, where the upstream does not say. Until then one hour's pause follows"
        " another, and a request tries again after each. Empty: unknown, a pause of 15 minutes.",
    )
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        """Each wire needs to know where to go."""
        if self.wire == "openai" and not self.base_url:
            raise ValidationError({"base_url": "The openai wire needs a base URL."})
        if self.wire == "litellm" and not self.litellm_prefix:
            raise ValidationError({"litellm_prefix": "The litellm wire needs a prefix, e.g. anthropic/."})


class Deployment(models.Model):
    """One model at one provider."""

    slug = models.CharField(
        max_length=201,
        unique=True,
        blank=True,
        validators=[DEPLOYMENT_SLUG],
        help_text="Empty: provider/model.",
    )
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="deployments")
    model = models.CharField("upstream model", max_length=160, validators=[MODEL_NAME])
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT, related_name="deployments")
    context_window = models.PositiveIntegerField(null=True, blank=True, help_text="Tokens; empty: unknown.")
    output_limit = models.PositiveIntegerField(null=True, blank=True, help_text="Tokens; empty: unknown.")
    capabilities = ArrayField(
        models.CharField(max_length=20, choices=choices(values.CAPABILITIES)), default=list, blank=True
    )
    dialects = ArrayField(
        models.CharField(max_length=20, choices=choices(values.DIALECTS)), default=list, blank=True
    )
    parameter_policy = models.JSONField(
        default=dict,
        blank=True,
        validators=[valid_parameter_policy],
        help_text='{"max_tokens": "max_completion_tokens"} renames, {"temperature": null} drops.',
    )
    quality = models.PositiveSmallIntegerField(
        default=0, help_text="For the strategy “best”; higher is better."
    )
    first_content_limit = models.FloatField(
        null=True, blank=True, help_text="Seconds; empty: the provider's.", **SECONDS
    )
    idle_limit = models.FloatField(
        null=True, blank=True, help_text="Seconds; empty: the provider's.", **SECONDS
    )
    total_limit = models.FloatField(
        null=True, blank=True, help_text="Seconds; empty: the provider's.", **SECONDS
    )
    enabled = models.BooleanField(default=True)
    source = models.CharField(
        max_length=200, blank=True, help_text="Where prices and capabilities were read, and when."
    )

    class Meta:
        ordering = ["provider__slug", "model"]

    def __str__(self) -> str:
        return self.slug

    def clean(self) -> None:
        """Name it here as well, so that a form can say that the name is taken."""
        if not self.slug and self.provider_id and self.model:
            self.slug = f"{self.provider.slug}/{self.model}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Name the deployment after provider and model when it has no name."""
        self.slug = self.slug or f"{self.provider.slug}/{self.model}"
        super().save(*args, **kwargs)


class Price(models.Model):
    """What a deployment costs from a moment on: USD per million tokens, empty = unknown (never zero)."""

    deployment = models.ForeignKey(Deployment, on_delete=models.CASCADE, related_name="prices")
    starts = models.DateTimeField(help_text="In force from then on.")
    input = models.DecimalField(**PRICE)
    cached_input = models.DecimalField(**PRICE)
    output = models.DecimalField(**PRICE)

    class Meta:
        ordering = ["starts"]
        constraints = [models.UniqueConstraint(fields=["deployment", "starts"], name="one_price_per_start")]

    def __str__(self) -> str:
        return f"{self.deployment} from {self.starts:%Y-%m-%d}"


class TierPolicy(models.Model):
    """An order of tiers; what no step names is not reached."""

    name = models.CharField(max_length=40, unique=True, validators=[SLUG])
    synonyms = ArrayField(
        models.CharField(max_length=40, validators=[SLUG]),
        default=list,
        blank=True,
        help_text="Other names for it, comma-separated.",
    )
    description = models.CharField(max_length=200, blank=True)
    price_ceiling = models.DecimalField(
        help_text="USD per million tokens; dearer or unpriced deployments are left out. Empty: none.", **PRICE
    )

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "tier policies"

    def __str__(self) -> str:
        return self.name


class PolicyStep(models.Model):
    """One step of a policy: a tier and the strategy inside it."""

    policy = models.ForeignKey(TierPolicy, on_delete=models.CASCADE, related_name="steps")
    tier = models.ForeignKey(Tier, on_delete=models.PROTECT)
    strategy = models.CharField(max_length=16, choices=choices(values.STRATEGIES), default="listed")
    position = models.PositiveIntegerField(default=0, db_index=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["policy", "tier"], name="tier_once_per_policy")]

    def __str__(self) -> str:
        return f"{self.policy}: {self.tier} ({self.strategy})"


class Alias(models.Model):
    """A model name that clients ask for; exact, or a pattern with one `*`."""

    name = models.CharField(
        max_length=120, unique=True, validators=[MODEL_NAME], help_text="e.g. rainymodel/auto, claude-*, *"
    )
    description = models.CharField(max_length=200, blank=True)
    policy = models.ForeignKey(
        TierPolicy, null=True, blank=True, on_delete=models.PROTECT, help_text="Default policy; empty: auto."
    )
    first_content_deadline = models.FloatField(
        default=300, help_text="Seconds to first content, all attempts.", **SECONDS
    )
    total_deadline = models.FloatField(default=600, help_text="Seconds in all.", **SECONDS)
    mode = models.CharField(
        max_length=16,
        choices=[("manual", "manual")],
        default="manual",
        help_text="manual: requests go where the routes say, and the targets are not used. Prepared for choosing by "
        "difficulty; the log keeps each request's mode and chosen model.",
    )
    standard_target = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="standard_of",
        help_text="Exact alias for demanding requests, once a mode chooses by difficulty. Not used by manual.",
    )
    mini_target = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="mini_of",
        help_text="Exact alias for easy requests, once a mode chooses by difficulty. Not used by manual.",
    )
    listed = models.BooleanField(default=True, help_text="Shown in GET /v1/models.")
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "aliases"

    def __str__(self) -> str:
        return self.name


class Route(models.Model):
    """Alias → deployment, at a position."""

    alias = models.ForeignKey(Alias, on_delete=models.CASCADE, related_name="routes")
    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="routes")
    position = models.PositiveIntegerField(default=0, db_index=True)
    weight = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1)])
    enabled = models.BooleanField(default=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["alias", "deployment"], name="deployment_once_per_alias")
        ]

    def __str__(self) -> str:
        return f"{self.alias} → {self.deployment}"
