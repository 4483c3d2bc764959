"""The console's pages, below the admin so that its session, look and rules hold."""

from django.contrib import admin
from django.urls import path

from rainymodel_site.console import (
    explain_page,
    prices_page,
    upstreams_page,
    usage_of_page,
    views,
    what_if_page,
)
from rainymodel_site.console.change import files as change_files
from rainymodel_site.console.change import page as change_page
from rainymodel_site.health.page import health_page

app_name = "console"
urlpatterns = [
    path("discover/<int:pk>/", admin.site.admin_view(views.discover_page), name="discover"),
    path("discover/<int:pk>/found/", admin.site.admin_view(views.discover_found), name="found"),
    path("test/", admin.site.admin_view(views.test_page), name="test"),
    path("test/one/", admin.site.admin_view(views.test_one), name="test_one"),
    path("prices/", admin.site.admin_view(prices_page.prices_page), name="prices"),
    path("health/", admin.site.admin_view(health_page), name="health"),
    path("upstreams/", admin.site.admin_view(upstreams_page.upstreams_page), name="upstreams"),
    path("upstreams/order/", admin.site.admin_view(upstreams_page.order_page), name="order"),
    path("what-if/", admin.site.admin_view(what_if_page.what_if_page), name="what_if"),
    path("what-if/<int:pk>/", admin.site.admin_view(what_if_page.one_page), name="what_if_one"),
    path("what-if/<int:pk>/cancel/", admin.site.admin_view(what_if_page.cancel_one), name="what_if_cancel"),
    path("usage-of/", admin.site.admin_view(usage_of_page.usage_page), name="usage_of"),
    path("explain/", admin.site.admin_view(explain_page.explain_page), name="explain"),
    path("draft/", admin.site.admin_view(change_page.draft_page), name="draft"),
    path("draft/arrival/", admin.site.admin_view(change_page.arrival_part), name="arrival"),
    path("draft/discard/", admin.site.admin_view(change_page.discard_page), name="discard"),
    path("draft/export/", admin.site.admin_view(change_files.export_file), name="export"),
    path("draft/import/", admin.site.admin_view(change_files.import_page), name="import"),
]
