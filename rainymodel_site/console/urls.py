"""The console's pages, below the admin so that its session, look and rules hold."""

from django.contrib import admin
from django.urls import path

from rainymodel_site.console import prices_page, upstreams_page, views

app_name = "console"
urlpatterns = [
    path("discover/<int:pk>/", admin.site.admin_view(views.discover_page), name="discover"),
    path("discover/<int:pk>/found/", admin.site.admin_view(views.discover_found), name="found"),
    path("test/", admin.site.admin_view(views.test_page), name="test"),
    path("test/one/", admin.site.admin_view(views.test_one), name="test_one"),
    path("prices/", admin.site.admin_view(prices_page.prices_page), name="prices"),
    path("upstreams/", admin.site.admin_view(upstreams_page.upstreams_page), name="upstreams"),
    path("upstreams/order/", admin.site.admin_view(upstreams_page.order_page), name="order"),
]
