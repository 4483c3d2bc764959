"""Somebody who signs in by single sign-on: a browser here, a session at the test provider."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.http import HttpResponse
from django.test import Client

from accounts.fake_login import FakeLogin, fake_login
from accounts.models import AuditEntry

BOTH = ("today", "conforming")
ADA, DAN, ROSA, VERA, NORA, SAM = (
    f"{name}@orcest.ai" for name in ("ada", "dan", "rosa", "vera", "nora", "sam")
)
CLIENT_ID = "rm.orcest.ai"  # the one that today's provider lets developers and researchers through for


@contextmanager
def provider_for(settings: Any, behaviour: str, client_id: str = CLIENT_ID) -> Iterator[FakeLogin]:
    """A test provider, and the settings that point at it."""
    with fake_login(behaviour=behaviour, client_id=client_id) as provider:
        settings.OIDC_ISSUER = provider.issuer
        settings.OIDC_CLIENT_ID = provider.client_id
        settings.OIDC_CLIENT_SECRET = provider.client_secret
        yield provider


class Visitor:
    """A browser of somebody who has not signed in yet."""

    def __init__(self, provider: FakeLogin) -> None:
        self.provider, self.browser = provider, Client()

    def start(self, query: str = "") -> str:
        """Press the button; the provider's address that it leads to."""
        return self.browser.get(f"/auth/login{query}")["Location"]

    def come_back(self, address: str, email: str) -> HttpResponse:
        """Be this person at the provider's address, and follow its way back."""
        back = urlsplit(self.provider.sent_back(address, email))
        return self.browser.get(f"{back.path}?{back.query}")

    def sign_in(self, email: str = ADA, query: str = "") -> HttpResponse:
        """From the button to the answer of the callback."""
        return self.come_back(self.start(query), email)

    @property
    def is_signed_in(self) -> bool:
        """Whether the browser holds a session of somebody."""
        return "_auth_user_id" in self.browser.session

    def asked(self, path: str) -> list[dict[str, str]]:
        """The fields of the provider's requests at a path."""
        return [request.fields for request in self.provider.requests if request.path == path]


def refusals() -> list[dict[str, Any]]:
    """What the audit holds of refused sign-ins, oldest first."""
    entries = AuditEntry.objects.filter(action="sign-in refused").order_by("id")
    return [{name: after for name, (_, after) in entry.changes.items()} for entry in entries]


def query_of(address: str) -> dict[str, str]:
    """An address's query."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
