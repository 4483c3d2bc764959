"""What the workers hold against their upstreams, and what operators have ordered about them."""

from django.db import models
from django.db.models.functions import Now

from gateway.models import Worker


class UpstreamState(models.Model):
    """One deployment as one worker sees it: its troubles now, and what it went through since the worker started.

    Written by the worker itself, in one sweep; the row goes with the worker's. A deployment without a row has had
    no trouble. `hold` is the word of what caused the hold.
    """

    worker = models.ForeignKey(Worker, models.DO_NOTHING, related_name="states")
    deployment = models.TextField()
    provider = models.TextField()
    state = models.TextField()
    circuit = models.TextField()
    until = models.DateTimeField(null=True)
    failures = models.IntegerField(default=0)
    hold = models.TextField(default="")
    held_until = models.DateTimeField(null=True)
    whole_provider = models.BooleanField(default=False)
    demoted = models.BooleanField(default=False)
    since = models.DateTimeField(null=True)
    opened = models.IntegerField(default=0)
    held = models.IntegerField(default=0)
    last_word = models.TextField(default="")
    last_status = models.SmallIntegerField(null=True)
    last_at = models.DateTimeField(null=True)
    reported_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()
        verbose_name_plural = "upstreams"
        constraints = [
            models.UniqueConstraint(fields=["worker", "deployment"], name="upstreamstate_one_per_worker")
        ]

    def __str__(self) -> str:
        return f"{self.deployment} at {self.worker_id}"


class UpstreamOrder(models.Model):
    """What an operator ordered of every worker; rows are added and never changed.

    It is about one deployment (`open`, `close`) or about one provider (`hold`, `release`); the other is empty. The
    newest about either is in force until `until`, without one until the next.
    """

    OPEN, CLOSE, HOLD, RELEASE = "open", "close", "hold", "release"

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_default=Now())
    actor = models.TextField()
    what = models.TextField()
    deployment = models.TextField(default="")
    provider = models.TextField(default="")
    until = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        verbose_name = "order about an upstream"
        indexes = [models.Index(fields=["deployment", "provider", "-id"], name="upstreamorder_subject")]

    def __str__(self) -> str:
        return f"{self.what} {self.deployment or self.provider}"
