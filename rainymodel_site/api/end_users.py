"""/api/keys/ID/end-users/: for whom an application used its key, in one month."""

import uuid
from datetime import UTC, datetime
from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Role
from gateway.end_users import (
    MOST_SHOWN,
    SHOWN,
    KeyMonth,
    by_end_user,
    counted_from,
    month_of,
    read_month,
)
from gateway.errors import BadRequest
from rainymodel_site import env
from rainymodel_site.api.bodies import Strict, read_query
from rainymodel_site.api.keys import visible_keys
from rainymodel_site.api.permissions import require_operator
from rainymodel_site.api.shapes import plain
from rainymodel_site.keys.end_users import LONGEST_SEARCH, Named, unstored


class EndUserFilter(Strict, serializers.Serializer):
    """Which month (UTC, this one without), and which end users: those whose name contains `search`, in any case."""

    month = serializers.CharField(max_length=7, required=False, help_text="Such as 2026-11.")
    search = serializers.CharField(max_length=LONGEST_SEARCH, required=False, default="")
    limit = serializers.IntegerField(min_value=1, max_value=MOST_SHOWN, default=SHOWN)


class EndUserSums(serializers.Serializer):
    """`unpriced` requests went upstream at a cost nobody knows, which is not in `cost_usd`; of `estimated` ones the
    tokens were counted here.
    """

    requests = serializers.IntegerField()
    errors = serializers.IntegerField()
    input_tokens = serializers.IntegerField(source="input", help_text="Not cached.")
    cached_tokens = serializers.IntegerField(source="cached")
    output_tokens = serializers.IntegerField(source="output")
    cost_usd = serializers.SerializerMethodField(help_text="null is unknown.")
    unpriced = serializers.IntegerField()
    estimated = serializers.IntegerField()

    def get_cost_usd(self, use: Any) -> str | None:
        """US dollars, without an exponent."""
        return None if use.known_cost is None else plain(use.known_cost)


class EndUserRow(EndUserSums):
    """One end user; the empty name is that of requests which named nobody."""

    end_user = serializers.CharField(source="name", allow_blank=True)


class EndUserList(serializers.Serializer):
    """A key's month. `total` is of all requests, `end_users` how many were named, whatever was searched for."""

    key = serializers.UUIDField()
    label = serializers.CharField()
    month = serializers.CharField()
    counted_from = serializers.DateField(
        help_text="The log keeps RAINYMODEL_LOG_DAYS; earlier days of the month are not counted."
    )
    end_users = serializers.IntegerField()
    matching = serializers.IntegerField(help_text="How many rows there would be without `limit`.")
    total = EndUserSums()
    data = EndUserRow(many=True)


class EndUsers(APIView):
    """For whom a key was used."""

    @extend_schema(parameters=[EndUserFilter], responses=EndUserList)
    def get(self, request: Request, id: str) -> Response:
        """The end users of one month, those that cost most first."""
        wanted, now = read_query(request, EndUserFilter), datetime.now(UTC)
        key = key_asked(request, id)
        month = read_month(wanted["month"]) if "month" in wanted else month_of(now)
        if month is None:
            raise BadRequest("month: Give a month such as 2026-11.", code="invalid_value", param="month")
        used = by_end_user(key.id, month, wanted["search"], wanted["limit"])
        log_days = env.number("RAINYMODEL_LOG_DAYS", low=1, high=3650)
        return Response(told(key, used, counted_from(month, log_days, now.date()).isoformat()))


def key_asked(request: Request, id: str) -> Named:
    """The key, for operators and for the person who owns it. Raises NotAllowed and Http404.

    A service's key sees no end users, not even its own: many programs' keys belong to one account.
    """
    if request.user.role == Role.SERVICE:
        require_operator(request)
    try:
        key_id = uuid.UUID(id)
    except ValueError:
        raise Http404 from None
    row = visible_keys(request).filter(pk=key_id).first()
    if row is not None:
        return Named(key_id, row.label, row)
    if not request.auth.operator:
        raise Http404
    return unstored(key_id)


def told(key: Named, used: KeyMonth, since: str) -> dict[str, Any]:
    """The answer's fields."""
    return {
        "key": str(key.id),
        "label": key.label,
        "month": str(used.month),
        "counted_from": since,
        "end_users": used.named,
        "matching": used.matching,
        "total": EndUserSums(used.total).data,
        "data": EndUserRow(used.users, many=True).data,
    }
