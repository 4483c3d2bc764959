"""Requests read from the request log for /api/requests, by the same filters as the operators' pages."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet

from gateway.log_filter import LogFilter
from gateway.log_query import at_most, matching
from gateway.models import RequestLog
from gateway.own_usage import RequestRow

COLUMNS = tuple(name for name in RequestRow.__slots__ if name != "tokens")
PATIENCE = 2.0  # seconds; most columns have no index
TOKENS = F("input_tokens") + F("cached_tokens") + F("output_tokens")


def requests_of_keys(
    wanted: LogFilter,
    keys: Sequence[UUID],
    user_id: str,
    before: UUID | None,
    limit: int,
    end_user: str | None = None,
) -> list[RequestRow]:
    """The newest requests of the filter with these keys, older than the one with the id `before`.

    Each key's newest come from its own index, so that it costs what these keys did, not what the whole log holds.
    Raises TooSlow when Postgres does not have them in time.
    """
    rows = matching(wanted) if end_user is None else matching(wanted).filter(end_user=end_user)
    found = [newest(rows, key, user_id, before)[:limit] for key in keys]
    if not found:
        return []
    merged = found[0].union(*found[1:], all=True).order_by("-id") if len(found) > 1 else found[0]
    with at_most(PATIENCE):
        return [RequestRow(**row) for row in merged[:limit]]


def newest(
    rows: QuerySet[RequestLog], key: UUID, user_id: str, before: UUID | None
) -> QuerySet[RequestLog, dict[str, Any]]:
    """One key's requests, newest first."""
    rows = rows.filter(key_id=key, user_id=user_id)
    rows = rows if before is None else rows.filter(id__lt=before)
    return rows.order_by("-id").values(*COLUMNS, tokens=TOKENS)
