"""Who is calling: people, their API keys, sign-in links, and the record of who changed what."""

import uuid
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from accounts.caller import CALLING_ROLES, MOST_BODY_MB
from accounts.site import pausing
from accounts.text import visible
from accounts.validators import SHORT_WORD, WORD, valid_label, valid_network


class Role(models.TextChoices):
    """What login.orcest.ai says a person is; it decides what the person may do here."""

    ADMIN = "admin", "Admin"
    DEVELOPER = "developer", "Developer"
    RESEARCHER = "researcher", "Researcher"
    VIEWER = "viewer", "Viewer"
    SERVICE = "service", "Service"


ADMIN_SITE_ROLES = frozenset({Role.ADMIN, Role.DEVELOPER})
USD: dict[str, Any] = {
    "max_digits": 14,
    "decimal_places": 6,
    "null": True,
    "blank": True,
    "validators": [MinValueValidator(Decimal("0.01")), MaxValueValidator(Decimal(1_000_000))],
}


ALL_KEYS = "Of all keys together. Empty: no limit."


def between(low: int, high: int) -> dict[str, Any]:
    """A limit that may be left empty."""
    return {"null": True, "blank": True, "validators": [MinValueValidator(low), MaxValueValidator(high)]}


class User(AbstractUser):
    """A person (keyed by issuer and subject once signed in through SSO) or a service that owns keys."""

    issuer = models.CharField(max_length=255, blank=True)
    subject = models.CharField(max_length=255, blank=True)
    role = models.CharField(max_length=16, choices=Role, default=Role.RESEARCHER)
    last_sign_in = models.DateTimeField(null=True, blank=True)
    requests_per_minute = models.PositiveIntegerField(**between(1, 1_000_000), help_text=ALL_KEYS)
    tokens_per_minute = models.PositiveBigIntegerField(**between(1, 10_000_000_000), help_text=ALL_KEYS)
    concurrent_requests = models.PositiveIntegerField(
        "requests at once", **between(1, 10_000), help_text=ALL_KEYS
    )
    usd_per_day = models.DecimalField("USD per day", **USD, help_text=ALL_KEYS)
    usd_per_month = models.DecimalField("USD per month", **USD, help_text=ALL_KEYS)

    class Meta(AbstractUser.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["issuer", "subject"], condition=~models.Q(subject=""), name="user_issuer_subject"
            ),
        ]

    def __str__(self) -> str:
        return self.email or self.username

    @property
    def may_call(self) -> bool:
        """Whether this user's keys open anything."""
        return self.is_active and self.role in CALLING_ROLES

    @property
    def is_away(self) -> bool:
        """Whether this user has not signed in for so long that personal keys rest."""
        seen = (self.last_sign_in or self.date_joined).timestamp()
        return pausing().has_begun(self.role, bool(self.subject), seen, timezone.now().timestamp())

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Whether someone may enter the admin follows from the role; nobody has a password."""
        if not self.password:
            self.set_unusable_password()
        self.is_staff = self.is_superuser or self.role in ADMIN_SITE_ROLES
        if kwargs.get("update_fields") is not None and "role" in kwargs["update_fields"]:
            kwargs["update_fields"] = {*kwargs["update_fields"], "is_staff"}
        super().save(*args, **kwargs)


class ApiKey(models.Model):
    """One API key: its public half (`kid`), the hash of the whole, what it may do and how much."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kid = models.CharField("key id", max_length=8, unique=True, editable=False)
    secret_hash = models.BinaryField(max_length=32, editable=False)
    last_four = models.CharField(max_length=4, editable=False)
    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_keys")
    label = models.CharField(
        max_length=80, validators=[valid_label], help_text="What the key is for, e.g. “Lamino production”."
    )
    created_at = models.DateTimeField("created", auto_now_add=True)
    expires_at = models.DateTimeField(
        "expires", null=True, blank=True, help_text="Refused from then on. Empty: never."
    )
    revoked_at = models.DateTimeField("revoked", null=True, blank=True, editable=False)
    replaced_by = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, editable=False)
    last_used_at = models.DateTimeField("last used", null=True, blank=True, editable=False)
    exposed_at = models.DateTimeField(null=True, blank=True, editable=False)
    aliases = ArrayField(
        models.CharField(max_length=120, validators=[WORD]),
        default=list,
        blank=True,
        help_text="Model names it may use, separated by commas; “*” stands for any text. Empty: all.",
    )
    policies = ArrayField(
        models.CharField(max_length=40, validators=[SHORT_WORD]),
        default=list,
        blank=True,
        help_text="Policies it may ask for, separated by commas. Empty: all.",
    )
    highest_tier = models.CharField(
        max_length=40,
        blank=True,
        validators=[SHORT_WORD],
        help_text="Slug of the highest tier it may reach. Empty: all.",
    )
    direct_calls = models.BooleanField(default=True, help_text="May call provider/model directly.")
    requests_per_minute = models.PositiveIntegerField(
        **between(1, 1_000_000), help_text="Empty: the default."
    )
    tokens_per_minute = models.PositiveBigIntegerField(
        **between(1, 10_000_000_000), help_text="Empty: no limit."
    )
    concurrent_requests = models.PositiveIntegerField(
        "requests at once", **between(1, 10_000), help_text="Empty: the default."
    )
    usd_per_day = models.DecimalField("USD per day", **USD, help_text="Empty: no limit.")
    usd_per_month = models.DecimalField("USD per month", **USD, help_text="Empty: no limit.")
    networks = ArrayField(
        models.CharField(max_length=43, validators=[valid_network]),
        default=list,
        blank=True,
        help_text="Addresses or CIDR ranges it may be used from, comma-separated, e.g. 10.0.0.0/8. Empty: anywhere.",
    )
    max_body_mb = models.PositiveSmallIntegerField(
        "largest request, MB",
        **between(1, MOST_BODY_MB),
        help_text=f"How large the body of one request may be, at most {MOST_BODY_MB} MB. Empty: the default.",
    )
    store_prompts = models.BooleanField(
        default=False, help_text="Consent to keep prompts and answers, sealed, 7 days."
    )

    class Meta:
        ordering = ["-created_at"]
        verbose_name = "API key"

    def __str__(self) -> str:
        return f"{self.label} (…{self.last_four})"

    def clean(self) -> None:
        """A new key must be able to work: not expired already, and of an owner who may call."""
        if self._state.adding and self.expires_at is not None and self.expires_at <= timezone.now():
            raise ValidationError({"expires_at": "A key cannot expire in the past."})
        if self._state.adding and self.owner_id and not self.owner.may_call:
            raise ValidationError({"owner": f"{self.owner} may not use the models, so a key would not work."})

    @property
    def state(self) -> str:
        """active, revoked, expired or paused (its owner may not call now, or has not signed in for long)."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= timezone.now():
            return "expired"
        return "active" if self.owner.may_call and not self.owner.is_away else "paused"


class Ceiling(models.Model):
    """What all callers together may spend on an alias, in a tier, or in all paid tiers."""

    class Scope(models.TextChoices):
        """What a ceiling is over."""

        ALIAS = "alias", "Alias"
        TIER = "tier", "Tier"
        PAID = "paid", "All paid tiers"

    scope = models.CharField(max_length=8, choices=Scope)
    name = models.CharField(
        max_length=120,
        blank=True,
        validators=[WORD],
        help_text="The alias as clients ask for it, or the tier's slug. Empty for all paid tiers.",
    )
    usd_per_day = models.DecimalField("USD per day", **USD, help_text="Empty: no ceiling.")
    usd_per_month = models.DecimalField("USD per month", **USD, help_text="Empty: no ceiling.")

    class Meta:
        ordering = ["scope", "name"]
        constraints = [models.UniqueConstraint(fields=["scope", "name"], name="ceiling_scope_name")]

    def __str__(self) -> str:
        return visible(f"{self.get_scope_display()} {self.name}".strip())

    def clean(self) -> None:
        """A name where there is something to name, and at least one amount."""
        if (self.scope == self.Scope.PAID) == bool(self.name):
            told = "All paid tiers have no name: leave it empty." if self.name else "Say which one."
            raise ValidationError({"name": told})
        if self.usd_per_day is None and self.usd_per_month is None:
            raise ValidationError("Give an amount per day, per month, or both.")


class SignInLink(models.Model):
    """A single-use link that signs a local operator in; only the hash of its token is kept.

    One made by `manage.py breakglass` works in production too.
    """

    token_hash = models.BinaryField(max_length=32, unique=True)
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    break_glass = models.BooleanField(default=False)


class AccessChange(models.Model):
    """One row that a trigger increments whenever keys or users change, so that workers notice."""

    number = models.BigIntegerField(default=0)


class AuditEntry(models.Model):
    """Who changed what, when. Append-only (a trigger refuses anything else); each row hashes the one before."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(default=timezone.now, editable=False)
    actor = models.CharField(max_length=255, help_text="User name, or the command that did it.")
    action = models.CharField(max_length=40)
    subject_type = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=120)
    subject = models.CharField(max_length=255)
    changes = models.JSONField(
        default=dict, help_text="field → [before, after]; secrets appear as “changed”."
    )
    address = models.GenericIPAddressField(null=True, blank=True)
    previous_hash = models.BinaryField(max_length=32)
    hash = models.BinaryField(max_length=32)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return visible(f"{self.actor} {self.action} {self.subject}")
