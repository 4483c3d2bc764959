"""Prompts and answers that are kept because a key's owner consented."""

from django.db import models
from django.db.models.functions import Now


class StoredPrompt(models.Model):
    """Prompt and answer of one request, sealed; `id` is the request's. Gone after seven days, or with the consent.

    Key and user are named by value, as in the request log.
    """

    id = models.UUIDField(primary_key=True)
    key_id = models.UUIDField()
    user_id = models.TextField(default="", db_default="")
    stored_at = models.DateTimeField(db_default=Now())
    sealed = models.BinaryField()

    class Meta:
        default_permissions = ("view",)
        indexes = [
            models.Index(fields=["key_id"], name="storedprompt_key"),
            models.Index(fields=["user_id"], name="storedprompt_user"),
        ]

    def __str__(self) -> str:
        return str(self.id)
