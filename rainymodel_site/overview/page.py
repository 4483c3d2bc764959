"""The overview as the admin's first page; the theme calls `dashboard`."""

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from gateway.traffic.figures import together
from gateway.traffic.reading import by, series, step_for
from gateway.traffic.saved import saved
from gateway.traffic.tables import TRAFFIC
from gateway.traffic.window import Window, floor, kept
from rainymodel_site.overview.attention import notices
from rainymodel_site.overview.charts import charts
from rainymodel_site.overview.figures import PERIODS, Period, lines, period_of, tiles
from routing.models import Alias, Provider

TIER, PROVIDER, ALIAS = range(3)
MOST_LINES = 10


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """What the first page shows besides the frame; those who may not see traffic get the list of pages alone."""
    if not request.user.has_perm("gateway.view_requestlog"):
        return context
    now, period = datetime.now(UTC), period_of(request.GET.get("period"))
    return {
        **context,
        "title": "Overview",
        "content_title": "Overview",
        "periods": PERIODS,
        "period": period,
        "notices": notices(request.user, now),  # type: ignore[arg-type]  # nobody without an account is here
        **traffic(period, now),
    }


def traffic(period: Period, now: datetime) -> dict[str, Any]:
    """Figures, charts and tables of a period."""
    window = Window.last(period.hours, now)
    step = step_for(window, TRAFFIC)
    groups = by(window, "tier", "provider", "alias")
    total = together(group.figures for group in groups)
    if not total.requests:
        return {"is_empty": True}
    since = floor(kept(window, TRAFFIC).since, step)
    return {
        "tiles": tiles(total, saved(window)),
        "charts": charts(series(window, step=step), since, step, now),
        "tables": [
            (
                "Providers",
                "Provider",
                lines(groups, PROVIDER, total.requests, pages_of(Provider, "slug"))[:MOST_LINES],
            ),
            ("Tiers", "Tier", lines(groups, TIER, total.requests, {})[:MOST_LINES]),
            ("Aliases", "Alias", lines(groups, ALIAS, total.requests, pages_of(Alias, "name"))[:MOST_LINES]),
        ],
    }


def pages_of(model: type[Provider] | type[Alias], field: str) -> dict[str, str]:
    """The admin page of each row, by its name."""
    view = f"admin:routing_{model._meta.model_name}_change"
    return {name: reverse(view, args=[pk]) for pk, name in model.objects.values_list("pk", field)}
