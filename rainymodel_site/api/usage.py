"""/api/usage/ and /api/requests/: what was used, by oneself; operators ask about everyone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import ApiKey, User
from gateway import own_usage
from gateway.log_filter import LogFilter, read_filter
from gateway.log_query import TooSlow
from gateway.own_usage import DayUse
from rainymodel_site.api import shapes
from rainymodel_site.api.bodies import read_query
from rainymodel_site.api.paging import page_shape
from rainymodel_site.api.permissions import require_operator
from rainymodel_site.api.request_rows import requests_of_keys
from rainymodel_site.api.views import is_called, user_named

LONGEST_MONTH = 31
TOO_MUCH = "Looking through the requests takes too long. Narrow the time, with last or with from and to."


@dataclass(frozen=True, slots=True)
class Whose:
    """Whose requests: a user's, one key's of a user, or those of a key that is not stored."""

    user: User | None
    key_id: UUID | None = None

    def days(self, count: int) -> list[DayUse]:
        """The sums of the last days, today last."""
        if self.user is not None:
            return own_usage.daily(self.user.pk, count, key_id=self.key_id)
        wanted = own_usage.days_until(datetime.now(UTC).date(), count)
        found = own_usage.read_sums([self.key_id] if self.key_id else [], wanted[0])
        return [DayUse(day, found.get((self.key_id, day), own_usage.Sums())) for day in wanted]  # type: ignore[arg-type]

    def requests(
        self, before: UUID | None, limit: int, wanted: LogFilter, end_user: str = ""
    ) -> list[own_usage.RequestRow]:
        """The newest requests before one that the filter lets through; with `end_user` those made for that one."""
        if end_user or wanted.wanted:
            owner = str(self.user.pk) if self.user else ""
            return requests_of_keys(wanted, self.keys(), owner, before, limit, end_user or None)
        if self.user is not None:
            return own_usage.requests_of(self.user.pk, before, limit, key_id=self.key_id)
        values = {"keys": [self.key_id], "user": "", "before": before, "states": None, "limit": limit}
        return [own_usage.RequestRow(*row) for row in own_usage.fetch(own_usage.ROWS, values)]

    def keys(self) -> list[UUID]:
        """The ids under which these requests are logged."""
        if self.user is not None:
            return own_usage.key_ids_of(self.user.pk, self.key_id)
        return [self.key_id] if self.key_id else []


class Usage(APIView):
    """What was used."""

    @extend_schema(parameters=[shapes.UsageFilter], responses=shapes.Usage)
    def get(self, request: Request) -> Response:
        """Today, 7 days, 30 days and this month, all of UTC."""
        whose = whose_usage(request, read_query(request, shapes.UsageFilter))
        return Response(shapes.Usage(sums_of(whose)).data)


class Daily(APIView):
    """What was used, day by day."""

    @extend_schema(parameters=[shapes.DailyFilter], responses=page_shape(shapes.Day))
    def get(self, request: Request) -> Response:
        """The last days, oldest first; days without requests are there as well."""
        wanted = read_query(request, shapes.DailyFilter)
        days = whose_usage(request, wanted).days(wanted["days"])
        rows = [{"day": day.day.isoformat(), **shapes.Sums(day.sums).data} for day in days]
        return Response(shapes.listed(rows, None))


class Requests(APIView):
    """One's own requests."""

    @extend_schema(parameters=[shapes.RequestFilter], responses=page_shape(shapes.RequestRow))
    def get(self, request: Request) -> Response:
        """Newest first: what was asked and what became of it. Operators may ask about a user or any key."""
        wanted = read_query(request, shapes.RequestFilter)
        limit = wanted["limit"]
        whose = whose_usage(request, wanted)
        given = {name: value for name, value in wanted.items() if name not in ("user", "key", "end_user")}
        before, end_user = wanted.get("before"), wanted.get("end_user", "")
        try:
            found = whose.requests(before, limit + 1, read_filter(given), end_user)
        except TooSlow:
            raise ValidationError({"last": TOO_MUCH}) from None
        shown = found[:limit]
        following = str(shown[-1].id) if len(found) > limit else None
        return Response(shapes.listed(shapes.RequestRow(shown, many=True).data, following))


def whose_usage(request: Request, wanted: dict[str, Any]) -> Whose:
    """Whom the question is about. Raises NotAllowed and Http404 where it is not for them to ask."""
    key_id, name = wanted.get("key"), wanted.get("user", "")
    if name and not is_called(request.user, name):
        require_operator(request)
        return of_user(user_named(name, "user"), key_id)
    if key_id is not None and not name and request.auth.operator:
        key = ApiKey.objects.select_related("owner").filter(pk=key_id).first()
        return Whose(key.owner if key else None, key_id)
    if request.user.pk is not None:
        return of_user(request.user, key_id)
    own = UUID(request.auth.caller.key_id)
    if key_id not in (None, own):
        raise Http404
    return Whose(None, own)


def of_user(user: User, key_id: UUID | None) -> Whose:
    """All that a user did, or what one of their keys did. Raises Http404 for a key that is not theirs."""
    if key_id is not None and key_id not in own_usage.key_ids_of(user.pk):
        raise Http404
    return Whose(user, key_id)


def sums_of(whose: Whose) -> dict[str, Any]:
    """The four sums, from the days of the longest."""
    days = whose.days(LONGEST_MONTH)
    return {
        "user": whose.user.username if whose.user else None,
        "key": whose.key_id,
        "today": own_usage.total(days[-1:]),
        "last_7_days": own_usage.total(days[-7:]),
        "last_30_days": own_usage.total(days[-30:]),
        "this_month": own_usage.total(this_month(days)),
    }


def this_month(days: Sequence[DayUse]) -> list[DayUse]:
    """The days that lie in the month of the last one."""
    return [day for day in days if day.day.month == days[-1].day.month]
