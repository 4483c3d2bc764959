"""What the console keeps of its own work: the replays of logged requests through another catalogue."""

from datetime import datetime, timedelta

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now


class Replay(models.Model):
    """One "what if": which days were replayed, through what, how far it is, and its result.

    Its process writes `progress` (0 to 1) and `heartbeat_at`; whoever sets `state` to cancelled stops it within a
    page of rows. `revision` is `draft`, `live` or a number; `down` names providers that count as down in it.
    """

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting", "starting"
        RUNNING = "running", "running"
        DONE = "done", "done"
        CANCELLED = "cancelled", "cancelled"
        FAILED = "failed", "failed"

    SILENT_AFTER = timedelta(seconds=30)  # its process writes once a second
    STARTS_WITHIN = timedelta(seconds=60)

    id = models.BigAutoField(primary_key=True)
    asked_at = models.DateTimeField(db_default=Now())
    asked_by = models.TextField()
    days = models.SmallIntegerField()
    revision = models.TextField()
    down = ArrayField(models.TextField(), default=list)
    down_deployments = ArrayField(models.TextField(), default=list)
    state = models.TextField(choices=State, default=State.WAITING)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    heartbeat_at = models.DateTimeField(null=True)
    pid = models.IntegerField(null=True)
    progress = models.FloatField(default=0.0)
    requests = models.BigIntegerField(default=0)
    problem = models.TextField(default="")
    result = models.JSONField(null=True)

    class Meta:
        default_permissions = ()
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"what if {self.pk}"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it by itself."""
        return self.state in (self.State.DONE, self.State.CANCELLED, self.State.FAILED)

    def is_dead(self, now: datetime) -> bool:
        """Whether its process has ended without a word, or never began."""
        if self.state == self.State.WAITING:
            return now - self.asked_at > self.STARTS_WITHIN
        heard = self.heartbeat_at or self.started_at or self.asked_at
        return self.state == self.State.RUNNING and now - heard > self.SILENT_AFTER


from rainymodel_site import alert_models  # noqa: E402, F401  (models of this app as well)
