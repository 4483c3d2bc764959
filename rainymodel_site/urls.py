"""The pages for people. The gateway's own paths are in gateway/urls.py; asgi.py puts both together."""

from typing import NoReturn

from django.contrib import admin
from django.http import Http404, HttpRequest
from django.urls import include, path
from django.views.generic import RedirectView

from rainymodel_site.status.views import status_json, status_page

handler500 = "rainymodel_site.failures.failed"
# The first path segments that Django serves.
PAGE_PREFIXES = "admin|api|auth|keys|playground|signin|signout|static|status|ui|usage"


def not_here(request: HttpRequest) -> NoReturn:
    """A page of the framework's that has no meaning in this project."""
    raise Http404


urlpatterns = [
    path("admin/password_change/", not_here),  # nobody has a password
    path("admin/password_change/done/", not_here),
    path("admin/console/", include("rainymodel_site.console.urls")),
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
    path("", include("rainymodel_site.keys.urls")),
    path("", include("rainymodel_site.playground.urls")),
    path("api/", include("rainymodel_site.api.urls")),
    path("status/", status_page),
    path("status", status_page),
    path("status/json", status_json),
    # Where litellm's admin is; people who come from there look for ours there.
    path("ui/", RedirectView.as_view(url="/admin/")),
]
