"""Path → view, each with and without a slash at its end, never by redirect."""

from typing import Any

from django.urls import re_path
from django.urls.resolvers import URLPattern
from rest_framework.views import APIView

from rainymodel_site.api.end_users import EndUsers
from rainymodel_site.api.keys import Keys, OneKey, RevokeKeys, RollKey
from rainymodel_site.api.people import Ceilings, OneCeiling, OneUser, Users
from rainymodel_site.api.reference import Reference, Schema
from rainymodel_site.api.usage import Daily, Requests, Usage
from rainymodel_site.api.views import Me

UUID = "(?P<id>[0-9a-fA-F-]{36})"
NUMBER = "(?P<id>[0-9]{1,18})"


def at(pattern: str, view: type[APIView], **options: Any) -> URLPattern:
    """The path, with and without a slash at its end."""
    return re_path(rf"^{pattern}/?$", view.as_view(), **options)


app_name = "api"
urlpatterns = [
    at("me", Me, name="me"),
    at("keys", Keys, name="keys"),
    at("keys/revoke", RevokeKeys, name="revoke_keys"),
    at(f"keys/{UUID}", OneKey, name="key"),
    at(f"keys/{UUID}/roll", RollKey, name="roll_key"),
    at(f"keys/{UUID}/end-users", EndUsers, name="end_users"),
    at("usage", Usage, name="usage"),
    at("usage/daily", Daily, name="daily"),
    at("requests", Requests, name="requests"),
    at("users", Users, name="users"),
    at(f"users/{NUMBER}", OneUser, name="user"),
    at("ceilings", Ceilings, name="ceilings"),
    at(f"ceilings/{NUMBER}", OneCeiling, name="ceiling"),
    at("schema", Schema, name="schema"),
    at("docs", Reference, name="docs"),
]
