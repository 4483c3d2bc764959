"""Alerts: the rules that operators write, where their messages go, what fires now, and what was or is to be sent."""

import uuid
from decimal import Decimal
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now


def check_time_zone(name: str) -> None:
    """Raises ValidationError for what is no time zone of the world's."""
    if name not in available_timezones():
        raise ValidationError("This is no time zone. Write it as Europe/Berlin, or UTC.")


class AlertChannel(models.Model):
    """Where messages go. A webhook's address is a secret: it is stored sealed, and only its host is told.

    While it fails, nobody tries it before `retry_at`; who sends claims it by moving that moment ahead.
    """

    class Kind(models.TextChoices):
        """How it is reached."""

        EMAIL = "email", "E-mail"
        WEBHOOK = "webhook", "Webhook (JSON)"
        SLACK = "slack", "Webhook (Slack's form)"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.WEBHOOK)
    enabled = models.BooleanField(default=True)
    recipients = models.TextField(
        blank=True, default="", help_text="For e-mail: addresses, separated by commas."
    )
    host = models.TextField(blank=True, default="", editable=False)
    sealed = models.BinaryField(default=b"", editable=False)
    last_sent_at = models.DateTimeField(null=True, editable=False)
    last_error = models.TextField(default="", editable=False)
    failed_at = models.DateTimeField(null=True, editable=False)
    failures = models.IntegerField(default=0, editable=False)
    retry_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("name",)
        verbose_name = "alert channel"

    def __str__(self) -> str:
        return self.name


class AlertRule(models.Model):
    """When operators want to be told, and where. Quiet hours hold messages back, in the rule's own time zone."""

    class Kind(models.TextChoices):
        """What is watched."""

        ERRORS = "errors", "Error share"
        FALLBACKS = "fallbacks", "Fallback share"
        SPEND = "spend", "Spend per day"
        BUDGET = "budget", "Key near its budget"
        CIRCUIT = "circuit", "Circuit open"
        HELD = "held", "Quota exhausted or credential refused"
        WORKER = "worker", "Worker silent or behind the newest revision"

    class Scope(models.TextChoices):
        """What it is about, if not about everything."""

        ALIAS = "alias", "Alias"
        PROVIDER = "provider", "Provider"

    SHARES = (Kind.ERRORS, Kind.FALLBACKS)
    PERCENT = (*SHARES, Kind.BUDGET)
    SCOPED = {
        Kind.ERRORS: (Scope.ALIAS, Scope.PROVIDER),
        Kind.FALLBACKS: (Scope.ALIAS,),
        Kind.SPEND: (Scope.ALIAS, Scope.PROVIDER),
        Kind.CIRCUIT: (Scope.PROVIDER,),
        Kind.HELD: (Scope.PROVIDER,),
    }

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.ERRORS)
    enabled = models.BooleanField(default=True)
    threshold = models.DecimalField(
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal("0.01"))],
        help_text="Percent for shares and budgets, US dollars for spend; it fires from there on. Others need none.",
    )
    minutes = models.PositiveIntegerField(
        "window in minutes",
        default=15,
        validators=[MinValueValidator(1), MaxValueValidator(1440)],
        help_text="Shares: how far back requests count. Circuits, holds, budgets and workers: how long a trouble "
        "must be gone before it counts as over. Spend is of the day since midnight UTC.",
    )
    least_requests = models.PositiveIntegerField(
        default=20, help_text="Shares of fewer requests than this say nothing, and fire nothing."
    )
    scope = models.CharField(
        max_length=10, choices=Scope, blank=True, default="", help_text="Empty: everything."
    )
    scope_name = models.CharField(
        max_length=160, blank=True, default="", help_text="The alias's name, or the provider's slug."
    )
    quiet_from = models.TimeField(null=True, blank=True, help_text="Empty: never quiet.")
    quiet_to = models.TimeField(null=True, blank=True, help_text="May lie on the next morning.")
    time_zone = models.CharField(max_length=64, default="UTC", validators=[check_time_zone])
    remind_hours = models.PositiveSmallIntegerField(
        "remind after hours", null=True, blank=True, validators=[MinValueValidator(1)],
        help_text="While it fires, tell it again so often. Empty: once is enough.",
    )  # fmt: skip
    channels = models.ManyToManyField(AlertChannel, blank=True, related_name="rules")
    looked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        ordering = ("name",)
        verbose_name = "alert rule"

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the quiet hours."""
        return ZoneInfo(self.time_zone)

    def clean(self) -> None:
        """What belongs together is given together."""
        problems: dict[str, str] = {}
        if self.kind in (*self.PERCENT, self.Kind.SPEND) and self.threshold is None:
            problems["threshold"] = "Say from how much on it fires."
        if self.kind in self.PERCENT and self.threshold is not None and self.threshold > 100:
            problems["threshold"] = "A percentage is at most 100."
        if bool(self.scope) != bool(self.scope_name):
            problems["scope_name"] = "Say which one, or empty both the scope and its name."
        if self.scope and self.scope not in self.SCOPED.get(self.Kind(self.kind), ()):
            problems["scope"] = "A rule of this kind cannot be limited to that. Leave the scope empty."
        if (self.quiet_from is None) != (self.quiet_to is None):
            problems["quiet_to"] = "Give both ends of the quiet hours, or none."
        elif self.quiet_from is not None and self.quiet_from == self.quiet_to:
            problems["quiet_to"] = "Quiet hours end at another time than they begin."
        if problems:
            raise ValidationError(problems)


class AlertFiring(models.Model):
    """A trouble that a rule has found and that is not over, or whose end is still to be told.

    `identity` names the trouble within the rule; `told_at` is when it was last told, None while it never was.
    """

    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="firings")
    identity = models.TextField()
    subject = models.TextField()
    sentence = models.TextField()
    link = models.TextField(default="")
    began_at = models.DateTimeField()
    seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    told_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        ordering = ("began_at", "id")
        constraints = [models.UniqueConstraint(fields=["rule", "identity"], name="alertfiring_once")]

    def __str__(self) -> str:
        return f"{self.subject} {self.sentence}"


class AlertMessage(models.Model):
    """One message for one channel; it is due until it was sent, and given up after a day."""

    id = models.BigAutoField(primary_key=True)
    rule = models.ForeignKey(AlertRule, models.CASCADE, related_name="messages")
    channel = models.ForeignKey(AlertChannel, models.CASCADE, related_name="messages")
    event = models.TextField()
    document = models.JSONField()
    made_at = models.DateTimeField(db_default=Now())
    sent_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        ordering = ("id",)
        indexes = [
            models.Index(fields=["channel", "id"], name="alertmessage_due", condition=models.Q(sent_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.channel_id}"
