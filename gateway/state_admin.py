"""Upstreams in the admin's index: one line that leads to their page."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path

from gateway.admin import ReadOnlyAdmin
from gateway.state_models import UpstreamState


@admin.register(UpstreamState)
class UpstreamStateAdmin(ReadOnlyAdmin):
    """No list of rows: the console's page shows them, worker by worker."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Who may see the workers."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may see the workers."""
        return request.user.has_perm("gateway.view_worker")

    def get_urls(self) -> list[URLPattern]:
        """The list's address alone."""
        return [path("", self.admin_site.admin_view(to_the_board), name="gateway_upstreamstate_changelist")]


def to_the_board(request: HttpRequest) -> HttpResponse:
    """The page itself."""
    return redirect("console:upstreams")
