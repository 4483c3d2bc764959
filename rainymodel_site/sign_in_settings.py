"""The provider's address and our secret there, read at the start; what cannot be right stops it."""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from rainymodel_site import env


def read_issuer(environ: Mapping[str, str] = os.environ, *, production: bool) -> str:
    """OIDC_ISSUER as it is, for it is compared with tokens. Raises ConfigurationError."""
    issuer = env.text("OIDC_ISSUER", environ)
    schemes = ("https",) if production else ("https", "http")
    try:
        parts = urlsplit(issuer)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in schemes or parts.query or parts.fragment or parts.username:
        wanted = "an https address" if production else "an http or https address"
        raise env.ConfigurationError(
            f"OIDC_ISSUER must be {wanted} like https://login.orcest.ai, but it is {issuer[:80]!r}."
        )
    return issuer


def read_client_secret(environ: Mapping[str, str] = os.environ, *, production: bool) -> str:
    """OIDC_CLIENT_SECRET, or nothing without single sign-on. Raises ConfigurationError for an example in production."""
    secret = env.text("OIDC_CLIENT_SECRET", environ)
    if production and secret in env.EXAMPLE_VALUES:
        raise env.ConfigurationError("OIDC_CLIENT_SECRET is an example value; enter the client's own secret.")
    return secret
