"""/api/analytics/…: figures of the traffic for other services. Operators see everything, others what is their own.

All but `requests` is read from the roll-ups, which are at most a second behind the requests.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gateway.log_filter import read_filter
from gateway.models import RequestLog, Worker
from gateway.own_usage import RequestRow
from gateway.traffic import reading
from gateway.traffic.figures import Figures
from gateway.traffic.saved import saved
from gateway.traffic.window import UNITS, Window
from rainymodel_site.api import analytics_shapes as forms
from rainymodel_site.api import shapes
from rainymodel_site.api.bodies import read_query
from rainymodel_site.api.paging import page_shape
from rainymodel_site.api.permissions import IsOperator, require_operator
from rainymodel_site.api.request_rows import COLUMNS, TOKENS
from rainymodel_site.api.usage import whose_usage
from rainymodel_site.api.views import is_called, user_named

DEFAULT_HOURS = 24.0


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked about: a window, and whose requests (by keyword for the readers); empty is everybody's."""

    window: Window
    whose: dict[str, Any]
    asked_at: datetime

    @property
    def ends(self) -> dict[str, Any]:
        """From when to when the readers look."""
        wide = reading.widened(self.window, **self.whose)
        return {"since": wide.since, "until": self.asked_at}

    @property
    def minutes(self) -> float:
        """How long that is."""
        return reading.widened(self.window, **self.whose).minutes(self.asked_at)

    def named(self, name: str, figures: Figures) -> dict[str, Any]:
        """The members of NamedRow."""
        return {"name": name, **forms.figures_row(figures, self.minutes)}


class Overview(APIView):
    """All requests together."""

    @extend_schema(parameters=[forms.WindowFilter], responses=forms.OverviewRow)
    def get(self, request: Request) -> Response:
        """Requests, latencies, tokens and costs of the window, 24 hours by default."""
        asked = question(request)
        found = reading.overview(asked.window, **asked.whose)
        rows = forms.figures_row(found.figures, asked.minutes)
        return Response({**asked.ends, "uptime_s": uptime(), **rows, "providers": found.providers})


class Providers(APIView):
    """Provider by provider."""

    @extend_schema(parameters=[forms.WindowFilter], responses=forms.Providers)
    def get(self, request: Request) -> Response:
        """What each answered, and how often it failed before it or another did."""
        asked = question(request)
        if asked.whose:
            groups = reading.by(asked.window, "provider", **asked.whose)
            unknown = {"failed": None, "skipped": None, "availability_pct": None}
            return told(
                asked, [{**asked.named(group.names[0], group.figures), **unknown} for group in groups]
            )
        return told(asked, [provider_row(asked, one) for one in reading.by_provider(asked.window)])


class Models(APIView):
    """Model by model, as clients ask for them."""

    @extend_schema(parameters=[forms.WindowFilter], responses=forms.Groups)
    def get(self, request: Request) -> Response:
        """Each alias that was asked for."""
        return grouped(question(request), "alias")


class Policies(APIView):
    """Policy by policy."""

    permission_classes = [IsOperator]

    @extend_schema(parameters=[forms.WindowFilter], responses=forms.Groups)
    def get(self, request: Request) -> Response:
        """Each policy that planned a request; operators."""
        return grouped(question(request, about_all=True), "policy")


class Financial(APIView):
    """What it cost."""

    @extend_schema(parameters=[forms.WindowFilter], responses=forms.Financial)
    def get(self, request: Request) -> Response:
        """Costs by provider, model and tier, and what the dearest tier had cost instead."""
        asked = question(request)
        whole = reading.overview(asked.window, **asked.whose).figures
        mine = bool(asked.whose)
        return Response(
            {
                **asked.ends,
                "cost_usd": float(whole.cost_usd),
                "unpriced": whole.unpriced,
                "total_tokens": whole.total_tokens,
                "providers": spent_by(asked, "provider"),
                "models": spent_by(asked, "alias"),
                "tiers": [] if mine else spent_by(asked, "tier"),
                **(savings(None) if mine else savings(asked.window)),
            }
        )


class Timeseries(APIView):
    """Figures over time."""

    @extend_schema(parameters=[forms.SeriesFilter], responses=forms.Series)
    def get(self, request: Request) -> Response:
        """A point each minute, hour or day; `by` splits it."""
        wanted = read_query(request, forms.SeriesFilter)
        asked = question(request, wanted)
        with refusing("step"):
            step = reading.step_of(asked.window, wanted.get("step", ""), **asked.whose)
        with refusing("by"):
            points = reading.series(asked.window, wanted["by"], step, **asked.whose)
        minutes = UNITS[step] / UNITS["minute"]
        data = [
            {"at": point.at, "name": point.name, **forms.figures_row(point.figures, minutes)}
            for point in points
        ]
        return Response({**asked.ends, "step": step, "data": data})


class Errors(APIView):
    """How requests failed."""

    @extend_schema(parameters=[forms.WindowFilter], responses=forms.Errors)
    def get(self, request: Request) -> Response:
        """By state, error code, provider and model; what clients broke off did not fail."""
        asked = question(request)
        whole = reading.overview(asked.window, **asked.whose).figures
        rows = [
            {
                "state": e.state,
                "error": e.error,
                "provider": e.provider,
                "model": e.alias,
                "count": e.requests,
            }
            for e in reading.errors(asked.window, **asked.whose)
        ]
        return Response({**asked.ends, "total": whole.requests, "err": whole.errors, "data": rows})


class Fallbacks(APIView):
    """Who stood in for whom."""

    permission_classes = [IsOperator]

    @extend_schema(parameters=[forms.WindowFilter], responses=forms.Fallbacks)
    def get(self, request: Request) -> Response:
        """Attempts that failed or were skipped, why, and who was asked next; operators."""
        asked = question(request, about_all=True)
        whole = reading.overview(asked.window).figures
        rows = [
            {
                "provider": step.provider,
                "deployment": step.deployment,
                "reason": step.word,
                "skipped": step.skipped,
                "next_provider": step.next_provider,
                "next_deployment": step.next_deployment,
                "count": step.count,
            }
            for step in reading.fallback_flow(asked.window)
        ]
        return Response({**asked.ends, "total": whole.requests, "fallbacks": whole.fallbacks, "data": rows})


class Recent(APIView):
    """The newest requests."""

    @extend_schema(parameters=[forms.RecentFilter], responses=page_shape(forms.RecentRow))
    def get(self, request: Request) -> Response:
        """Metadata, newest first: operators everybody's, others their own."""
        wanted = read_query(request, forms.RecentFilter)
        if request.auth.operator and "user" not in wanted:
            found = newest(wanted.get("before"), wanted["limit"])
        else:
            found = whose_usage(request, wanted).requests(
                wanted.get("before"), wanted["limit"], read_filter({})
            )
        following = str(found[-1].id) if len(found) == wanted["limit"] else None
        return Response(shapes.listed(forms.RecentRow(found, many=True).data, following))


@contextmanager
def refusing(param: str) -> Iterator[None]:
    """A ValueError of the readers is a parameter's mistake. Raises ValidationError."""
    try:
        yield
    except ValueError as error:
        raise ValidationError({param: str(error)}) from None


def question(request: Request, wanted: dict[str, Any] | None = None, *, about_all: bool = False) -> Question:
    """The window and whose requests. Raises ValidationError, BadRequest, and NotAllowed."""
    wanted = read_query(request, forms.WindowFilter) if wanted is None else wanted
    now = datetime.now(UTC)
    window = Window.last(wanted.get("hours") or wanted.get("window") or DEFAULT_HOURS, now)
    return Question(window, {} if about_all else whose_of(request, wanted.get("user", "")), now)


def whose_of(request: Request, name: str) -> dict[str, Any]:
    """Everybody's for operators who name nobody, otherwise one person's, or those of a key that is nobody's."""
    if name and not is_called(request.user, name):
        require_operator(request)
        return {"user_id": str(user_named(name, "user").pk)}
    if not name and request.auth.operator:
        return {}
    if request.user.pk is not None:
        return {"user_id": str(request.user.pk)}
    return {"key_id": UUID(request.auth.caller.key_id)}


def told(asked: Question, rows: list[dict[str, Any]]) -> Response:
    """A list with the window that it is about."""
    return Response({**asked.ends, "data": rows})


def grouped(asked: Question, dimension: str) -> Response:
    """Figures of each value."""
    groups = reading.by(asked.window, dimension, **asked.whose)
    return told(asked, [asked.named(group.names[0], group.figures) for group in groups])


def provider_row(asked: Question, one: reading.ProviderFigures) -> dict[str, Any]:
    """The members of ProviderRow."""
    more = {
        "failed": one.failed,
        "skipped": one.skipped,
        "availability_pct": forms.percent(one.success_share),
    }
    return {**asked.named(one.provider, one.figures), **more}


def spent_by(asked: Question, dimension: str) -> list[dict[str, Any]]:
    """What each value cost, the dearest first."""
    groups = reading.by(asked.window, dimension, **asked.whose)
    rows = [forms.spent_row(group.names[0], group.figures) for group in groups]
    return sorted(rows, key=lambda row: -row["cost_usd"])


def savings(window: Window | None) -> dict[str, Any]:
    """What the dearest tier had cost instead."""
    found = None if window is None else saved(window)
    if found is None or found.instead_usd is None or found.saved_usd is None:
        return {"premium_model": None, "premium_usd": None, "saved_usd": None}
    return {
        "premium_model": found.model,
        "premium_usd": float(found.instead_usd),
        "saved_usd": float(found.saved_usd),
    }


def newest(before: UUID | None, limit: int) -> list[RequestRow]:
    """Everybody's newest requests: some steps along the primary key."""
    rows = RequestLog.objects.all() if before is None else RequestLog.objects.filter(id__lt=before)
    return [RequestRow(**row) for row in rows.order_by("-id").values(*COLUMNS, tokens=TOKENS)[:limit]]


def uptime() -> int:
    """Seconds since the oldest worker that is alive began; 0 when none is."""
    now = timezone.now()
    alive = Worker.objects.filter(heartbeat_at__gte=now - Worker.SILENT_AFTER)
    began = alive.order_by("started_at").values_list("started_at", flat=True).first()
    return 0 if began is None else int((now - began).total_seconds())
