"""What the gateway leaves behind: the request log, the rows Postgres refused, and the workers that are alive.

The log names keys, users and deployments by value, without foreign keys: it outlives what it tells about.
"""

import uuid
from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models.functions import Now, Upper


class State(models.TextChoices):
    """How a request ended."""

    OK = "ok", "OK"
    CLIENT_ERROR = "client_error", "Client error"
    UPSTREAM_ERROR = "upstream_error", "Upstream error"
    TRUNCATED = "truncated", "Truncated"
    CANCELLED = "cancelled", "Cancelled"
    REFUSED = "refused", "Refused"
    LOST = "lost", "Lost"


class RequestLog(models.Model):
    """One request, from its admission to its end. The table is partitioned by day, by the time inside `id`.

    `input_tokens` (not cached), `cached_tokens` and `output_tokens` are disjoint; `reasoning_tokens` is a
    part of `output_tokens`. A cost of NULL is unknown, never zero.
    """

    id = models.UUIDField(primary_key=True)
    started_at = models.DateTimeField()
    worker = models.TextField(default="")
    endpoint = models.TextField(default="")
    client_request_id = models.TextField(default="")

    requested_model = models.TextField(default="")
    alias = models.TextField(default="")
    routing_mode = models.TextField(default="")
    selected_model = models.TextField(default="")
    policy = models.TextField(default="")
    provider_filter = models.TextField(default="")
    needs = ArrayField(models.TextField(), default=list)
    input_tokens_estimate = models.IntegerField(default=0)
    max_tokens = models.BigIntegerField(null=True)
    stream = models.BooleanField(default=False)
    end_user = models.TextField(default="")
    deadline_ms = models.IntegerField(null=True)

    key_id = models.UUIDField(null=True)
    key_label = models.TextField(default="")
    user_id = models.TextField(default="")
    client_address = models.TextField(default="")
    user_agent = models.TextField(default="")

    revision = models.IntegerField(default=0)
    attempts = models.JSONField(default=list)
    attempt_count = models.SmallIntegerField(default=0)
    fallback_reason = models.TextField(default="")

    tier = models.TextField(default="")
    provider = models.TextField(default="")
    upstream = models.TextField(default="")
    deployment = models.TextField(default="")
    upstream_model = models.TextField(default="")
    first_content_ms = models.FloatField(null=True)
    total_ms = models.FloatField(null=True)
    overhead_ms = models.FloatField(null=True)

    usage_raw = models.JSONField(null=True)
    input_tokens = models.IntegerField(default=0)
    cached_tokens = models.IntegerField(default=0)
    output_tokens = models.IntegerField(default=0)
    reasoning_tokens = models.IntegerField(default=0)
    estimated = models.BooleanField(default=False)
    price = models.JSONField(null=True)
    cost_usd = models.DecimalField(max_digits=18, decimal_places=9, null=True)

    parameter_edits = models.JSONField(default=dict)
    reservation = models.JSONField(null=True)
    state = models.TextField(choices=State, default=State.LOST)
    status = models.SmallIntegerField(default=0)
    error_code = models.TextField(default="")

    class Meta:
        default_permissions = ("view",)
        verbose_name = "request"
        indexes = [
            models.Index(fields=["key_id", "id"], name="requestlog_key"),
            models.Index(fields=["state", "id"], name="requestlog_state"),
            models.Index(OpClass(Upper("key_label"), name="text_pattern_ops"), name="requestlog_label"),
        ]

    def __str__(self) -> str:
        return str(self.id)

    @property
    def total_tokens(self) -> int:
        """Everything that was counted, once."""
        return self.input_tokens + self.cached_tokens + self.output_tokens


class DeadLetter(models.Model):
    """A log row that Postgres refused, set aside with the reason. `id` is the request's."""

    id = models.UUIDField(primary_key=True)
    row = models.TextField(help_text="The row as JSON, as it was refused; cut when very long.")
    reason = models.TextField()
    at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ("view",)
        verbose_name = "refused log row"

    def __str__(self) -> str:
        return str(self.id)


class Worker(models.Model):
    """One process that serves requests, as it last reported itself.

    `running`: provider slug → how many requests it has there just now, a second old at most.
    """

    SILENT_AFTER = timedelta(seconds=15)  # three heartbeats

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    hostname = models.TextField()
    pid = models.IntegerField()
    number = models.IntegerField(default=0)
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    revision = models.IntegerField(default=0)
    revision_since = models.DateTimeField(null=True)
    ready = models.BooleanField(default=False)
    version = models.TextField(default="")
    running = models.JSONField(default=dict, db_default=models.Value({}, models.JSONField()))

    class Meta:
        default_permissions = ("view",)
        ordering = ("hostname", "number", "id")

    def __str__(self) -> str:
        return f"{self.hostname} · worker {self.number}"

    def silent(self, now: datetime) -> bool:
        """Whether the worker has missed so many heartbeats that it must be presumed dead."""
        return now - self.heartbeat_at > self.SILENT_AFTER


from gateway import prompt_models, state_models  # noqa: E402, F401  (models of this app; they name the ones above)
