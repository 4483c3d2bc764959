"""The pages for people. The gateway's own paths are in gateway/urls.py; asgi.py puts both together."""

from django.contrib import admin
from django.urls import include, path

PAGE_PREFIXES = "admin|signin|signout|static"  # first path segments that Django serves

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("accounts.urls")),
]
