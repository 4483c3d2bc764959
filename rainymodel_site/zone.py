"""Pages tell and take times in the viewer's zone, which the browser says in a cookie (static/rainymodel/zone.js)."""

from collections.abc import Callable
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

COOKIE = "rainymodel_zone"
FOR_EVERYBODY = ("/api/", "/status", "/v1/", "/metrics")  # programs read UTC, and one answer is kept for many


class ViewerZone:
    """Middleware: within a page the current zone is the viewer's; UTC where the browser told none that exists."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The page."""
        name = request.COOKIES.get(COOKIE, "")
        if not name or name not in known_zones() or request.path.startswith(FOR_EVERYBODY):
            return self.get_response(request)
        with timezone.override(ZoneInfo(name)):
            return self.get_response(request)


@cache
def known_zones() -> frozenset[str]:
    """Names of the zones that this machine has."""
    return frozenset(available_timezones())
