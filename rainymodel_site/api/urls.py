"""Path → view, each with and without a slash at its end, never by redirect."""

from typing import Any

from django.urls import re_path
from django.urls.resolvers import URLPattern
from rest_framework.views import APIView

from rainymodel_site.api import analytics
from rainymodel_site.api.end_users import EndUsers
from rainymodel_site.api.explain import Explain
from rainymodel_site.api.keys import Keys, OneKey, RevokeKeys, RollKey
from rainymodel_site.api.people import Ceilings, OneCeiling, OneUser, Users
from rainymodel_site.api.reference import Reference, Schema
from rainymodel_site.api.usage import Daily, Requests, Usage
from rainymodel_site.api.views import Me

UUID = "(?P<id>[0-9a-fA-F-]{36})"
NUMBER = "(?P<id>[0-9]{1,18})"


METHODS = ("get", "post", "put", "patch", "delete", "head")  # no OPTIONS: Allow would name what is refused


def at(pattern: str, view: type[APIView], **options: Any) -> URLPattern:
    """The path, with and without a slash at its end."""
    return re_path(rf"^{pattern}/?$", view.as_view(http_method_names=METHODS), **options)


app_name = "api"
urlpatterns = [
    at("me", Me, name="me"),
    at("keys", Keys, name="keys"),
    at("keys/revoke", RevokeKeys, name="revoke_keys"),
    at(f"keys/{UUID}", OneKey, name="key"),
    at(f"keys/{UUID}/roll", RollKey, name="roll_key"),
    at(f"keys/{UUID}/end-users", EndUsers, name="end_users"),
    at("explain", Explain, name="explain"),
    at("usage", Usage, name="usage"),
    at("usage/daily", Daily, name="daily"),
    at("requests", Requests, name="requests"),
    at("analytics/overview", analytics.Overview, name="analytics_overview"),
    at("analytics/providers", analytics.Providers, name="analytics_providers"),
    at("analytics/models", analytics.Models, name="analytics_models"),
    at("analytics/financial", analytics.Financial, name="analytics_financial"),
    at("analytics/timeseries", analytics.Timeseries, name="analytics_timeseries"),
    at("analytics/errors", analytics.Errors, name="analytics_errors"),
    at("analytics/policies", analytics.Policies, name="analytics_policies"),
    at("analytics/fallbacks", analytics.Fallbacks, name="analytics_fallbacks"),
    at("analytics/requests", analytics.Recent, name="analytics_requests"),
    at("users", Users, name="users"),
    at(f"users/{NUMBER}", OneUser, name="user"),
    at("ceilings", Ceilings, name="ceilings"),
    at(f"ceilings/{NUMBER}", OneCeiling, name="ceiling"),
    at("schema", Schema, name="schema"),
    at("docs", Reference, name="docs"),
]
