"""What mozilla-django-oidc reads from Django's settings, derived from ours."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from accounts.oidc.provider import ALGORITHM, SCOPES, provider

CALLBACK = "sso_callback"
UNKNOWN = object()


def library_setting(name: str, *default: Any) -> Any:
    """One of the library's settings; what is not ours is its default."""
    found = ours().get(name, UNKNOWN)
    if found is not UNKNOWN:
        return found
    return getattr(settings, name, *default)


def ours() -> dict[str, Any]:
    """The settings that differ from the library's defaults."""
    where = provider()
    return {
        "OIDC_OP_AUTHORIZATION_ENDPOINT": where.authorize,
        "OIDC_OP_TOKEN_ENDPOINT": where.token,
        "OIDC_OP_USER_ENDPOINT": where.userinfo,
        "OIDC_OP_JWKS_ENDPOINT": where.jwks,
        "OIDC_RP_CLIENT_ID": where.client_id,
        "OIDC_RP_CLIENT_SECRET": where.client_secret,
        "OIDC_RP_SIGN_ALGO": ALGORITHM,
        "OIDC_RP_SCOPES": SCOPES,
        "OIDC_AUTHENTICATION_CALLBACK_URL": CALLBACK,
        "OIDC_USE_PKCE": True,
    }


def callback_address(request: HttpRequest) -> str:
    """Where the provider sends the browser back to: the public address as it is registered there."""
    path = reverse(CALLBACK)
    return f"{settings.PUBLIC_URL}{path}" if settings.PUBLIC_URL else request.build_absolute_uri(path)
