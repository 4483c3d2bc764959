"""Tables around the catalogue: what was published, what is sealed, and what loading and saving remember."""

from django.db import models


class ProviderSecret(models.Model):
    """A provider's credential given as a value: sealed, bound to slug and address, one row for each pair.

    The address is the expanded base URL, or the litellm prefix of a provider without one.
    """

    provider_slug = models.CharField(max_length=40)
    base_url = models.CharField(max_length=400)
    sealed = models.BinaryField()
    last_four = models.CharField(max_length=4)
    set_at = models.DateTimeField(auto_now=True)
    set_by = models.CharField(max_length=255)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider_slug", "base_url"], name="secret_per_address")
        ]

    def __str__(self) -> str:
        return f"secret of {self.provider_slug} at {self.base_url}"


class CatalogueRevision(models.Model):
    """One published state of the catalogue; `number` counts from 1 without gaps."""

    number = models.PositiveIntegerField(primary_key=True)
    document = models.JSONField()
    sha256 = models.CharField(max_length=64)
    author = models.CharField(max_length=255)
    note = models.CharField(max_length=300, blank=True)
    parent = models.PositiveIntegerField(null=True)
    published_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"revision {self.number}"


class ScheduledPublication(models.Model):
    """The wish to publish the draft, as it was then (`sha256`), at a time; on top of the revision `parent`.

    At most one is waiting. `began_hold`: publishing is held for it alone, until it is carried out or cancelled.
    `outcome` says in a sentence what came of it: the refusal, or who took it back.
    """

    WAITING, PUBLISHED, REFUSED, CANCELLED = "waiting", "published", "refused", "cancelled"

    at = models.DateTimeField()
    author = models.CharField(max_length=255)
    note = models.CharField(max_length=300, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    parent = models.PositiveIntegerField()
    sha256 = models.CharField(max_length=64)
    began_hold = models.BooleanField(default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=16, default=WAITING)
    outcome = models.TextField(blank=True)
    revision = models.PositiveIntegerField(null=True)
    done_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["state"], condition=models.Q(state="waiting"), name="one_scheduled_publication"
            )
        ]

    def __str__(self) -> str:
        return f"publication at {self.at:%Y-%m-%d %H:%M} UTC"


class SeededRow(models.Model):
    """A row that a seed or an import once created. Loading again leaves it alone, also when it was deleted since."""

    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=201)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "key"], name="seeded_once")]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class PublishingSwitch(models.Model):
    """One row: whether saves publish by themselves, and what was loaded at the first start."""

    held = models.BooleanField(
        default=False, help_text="Hold publishing: saves stay a draft until published."
    )
    litellm_imported_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = "publishing switch"
        verbose_name_plural = "publishing switch"

    def __str__(self) -> str:
        return "publishing held" if self.held else "publishing on save"

    @classmethod
    def load(cls) -> "PublishingSwitch":
        """The one row, made when it is missing."""
        return cls.objects.get_or_create(pk=1)[0]
