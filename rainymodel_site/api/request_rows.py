"""The requests made for one end user, read from the request log."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet

from gateway.models import RequestLog
from gateway.own_usage import RequestRow

COLUMNS = tuple(name for name in RequestRow.__slots__ if name != "tokens")
TOKENS = F("input_tokens") + F("cached_tokens") + F("output_tokens")


def requests_for(
    end_user: str, keys: Sequence[UUID], user_id: str, before: UUID | None, limit: int
) -> list[RequestRow]:
    """The newest requests with these keys for one end user, older than the one with the id `before`.

    Each key's newest come from its own index, so that it costs what these keys did, not what the whole log holds.
    """
    found = [newest(end_user, key, user_id, before)[:limit] for key in keys]
    if not found:
        return []
    rows = found[0].union(*found[1:], all=True).order_by("-id") if len(found) > 1 else found[0]
    return [RequestRow(**row) for row in rows[:limit]]


def newest(
    end_user: str, key: UUID, user_id: str, before: UUID | None
) -> QuerySet[RequestLog, dict[str, Any]]:
    """One key's requests, newest first."""
    rows = RequestLog.objects.filter(key_id=key, user_id=user_id, end_user=end_user)
    rows = rows if before is None else rows.filter(id__lt=before)
    return rows.order_by("-id").values(*COLUMNS, tokens=TOKENS)
