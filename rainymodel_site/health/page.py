"""The page of the providers' health."""

from datetime import UTC, datetime

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from gateway.models import Worker
from gateway.traffic.reading import by_provider, fallback_flow, series
from gateway.traffic.window import Window
from rainymodel_site.console.board import read_board
from rainymodel_site.console.views import page
from rainymodel_site.health.flow import flow, rows
from rainymodel_site.health.providers import health
from rainymodel_site.overview.figures import PERIODS, period_of


@never_cache
@require_safe
@permission_required("gateway.view_worker", raise_exception=True)
def health_page(request: HttpRequest) -> HttpResponse:
    """Providers now and over a period, and the picture of who stepped in."""
    now, period = datetime.now(UTC), period_of(request.GET.get("period"))
    window = Window.last(period.hours, now)
    steps = fallback_flow(window)
    board = read_board(now, everything=True)
    context = {
        "periods": PERIODS,
        "period": period,
        "providers": health(board.groups, by_provider(window), steps, series(window, by="provider"), now),
        "flow": flow(steps),
        "rows": rows(steps),
        "workers": board.workers,
    }
    return page(request, "console/health.html", "Providers’ health", Worker, **context)
