"""Who is asking: an API key or an access token, or else the browser's session."""

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from accounts.caller import Caller
from accounts.errors import KeyRefused, KeysUnavailable
from accounts.models import ApiKey, Role, User
from gateway.authenticate import (
    KEY_PARAMETERS,
    check_address,
    key_in_url,
    no_key,
    read_bearer,
    read_credential,
    refused,
)
from gateway.errors import NotAllowed
from rainymodel_site.api.credentials import find, note_use
from rainymodel_site.audit import client_address


@dataclass(frozen=True, slots=True)
class Access:
    """What a request may do beside its user's own things. `key` is the stored key it came with, if it did.

    `kind` is session, key, token (an access token) or environment. An operator is RAINYMODEL_MASTER_KEY, or the
    session of an admin: an admin's own key or token manages the admin's own keys only.
    """

    kind: str
    operator: bool = False
    caller: Caller | None = None
    key: ApiKey | None = None

    @property
    def name(self) -> str:
        """What idempotency keys of this key of the environment are told apart by."""
        return self.caller.key_id if self.caller else ""


class Headers:
    """A Django request as gateway.authenticate reads one. The query is checked here, by other rules."""

    query_string = b""

    def __init__(self, request: HttpRequest) -> None:
        self._headers = request.headers
        self.client_address = client_address(request) or ""

    def header(self, name: bytes) -> str | None:
        """A header's text, None when absent."""
        value = self._headers.get(name.decode())
        return None if value is None else value.strip()


class ByKey(BaseAuthentication):
    """`Authorization: Bearer …` or `x-api-key`; a wrong key is refused, also beside a good session."""

    def authenticate(self, request: Request) -> tuple[User, Access] | None:
        """The key's owner. None without a key; raises GatewayError."""
        refuse_keys_in_url(request.META.get("QUERY_STRING", ""))
        headers = Headers(request._request)
        if not read_bearer(headers.header(b"authorization")) and not headers.header(b"x-api-key"):
            return None
        try:
            known = find(read_credential(headers))
        except (KeyRefused, KeysUnavailable) as error:
            raise refused(error, headers.client_address) from None
        check_address(known.caller, headers.client_address)
        if known.key is not None:
            note_use(known.key)
        kind = {"database": "key", "sso": "token", "environment": "environment"}[known.caller.source]
        return known.user, Access(kind, known.caller.operator, known.caller, known.key)

    def authenticate_header(self, request: Request) -> str:
        """What makes a refusal a 401."""
        return 'Bearer realm="RainyModel"'


class BySession(SessionAuthentication):
    """The signed-in browser; what it writes needs the CSRF token."""

    def authenticate(self, request: Request) -> tuple[User, Access] | None:
        """The session's user. None without a session; raises GatewayError."""
        found = super().authenticate(request)
        if found is None:
            if authorization := request.headers.get("authorization"):
                raise no_key(authorization)
            return None
        user = found[0]
        return user, Access("session", operator=user.role == Role.ADMIN)

    def enforce_csrf(self, request: Request) -> None:
        """Raises NotAllowed for a write without the token."""
        try:
            super().enforce_csrf(request)
        except PermissionDenied:
            raise NotAllowed(
                "A write with a browser session needs the page's CSRF token in the X-CSRFToken header. Programs "
                "send an API key instead.",
                code="csrf_failed",
            ) from None


class KeyScheme(OpenApiAuthenticationExtension):
    """How the schema calls authentication by key."""

    target_class = "rainymodel_site.api.authentication.ByKey"
    name = "api_key"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """A bearer."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "sk-rm_…"}


class SessionScheme(OpenApiAuthenticationExtension):
    """How the schema calls authentication by session."""

    target_class = "rainymodel_site.api.authentication.BySession"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """A cookie."""
        from django.conf import settings

        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


def refuse_keys_in_url(query: str) -> None:
    """Raises BadRequest for a query that carries a key; `key` may name a key by its id."""
    for name, value in parse_qsl(query, keep_blank_values=True):
        named = name.lower() in KEY_PARAMETERS and not (name.lower() == "key" and is_id(value))
        if named or value.startswith("sk-"):
            raise key_in_url()


def is_id(text: str) -> bool:
    """Whether a text is a UUID."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
