"""The provider as the settings describe it. Its addresses follow from the issuer: nothing is asked at the start."""

from dataclasses import dataclass, field
from urllib.parse import quote, urlencode, urlsplit

from django.conf import settings

SCOPES = "openid profile email"
ALGORITHM = "RS256"


@dataclass(frozen=True, slots=True)
class Provider:
    """An issuer, and who we are to it. Without a secret there is no sign-in by it."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)

    @property
    def is_configured(self) -> bool:
        """Whether people can be sent there."""
        return bool(self.issuer and self.client_secret)

    @property
    def name(self) -> str:
        """What people know it by: its host."""
        return urlsplit(self.issuer).netloc

    @property
    def authorize(self) -> str:
        """Where browsers are sent."""
        return self.at("/oauth2/authorize")

    @property
    def token(self) -> str:
        """Where codes and refresh tokens become tokens."""
        return self.at("/oauth2/token")

    @property
    def userinfo(self) -> str:
        """Never asked: all that is needed is in the signed ID token."""
        return self.at("/oauth2/userinfo")

    @property
    def jwks(self) -> str:
        """Its signing keys."""
        return self.at("/oauth2/jwks")

    @property
    def revoke(self) -> str:
        """Where tokens end at a sign-out."""
        return self.at("/oauth2/revoke")

    def access_of(self, subject: str, service: str) -> str:
        """Where it says whether a person may use a service, which it knows by its host."""
        return self.at(f"/api/user/{quote(subject, safe='')}/access?{urlencode({'service': service})}")

    def at(self, path: str) -> str:
        """An address of the provider."""
        return self.issuer.rstrip("/") + path


def provider() -> Provider:
    """The project's provider."""
    return Provider(settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET)
