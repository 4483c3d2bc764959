"""/auth/login sends the browser to the provider; /auth/callback takes it back."""

import time
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from mozilla_django_oidc.views import (  # type: ignore[import-untyped]
    OIDCAuthenticationCallbackView,
    OIDCAuthenticationRequestView,
)

from accounts.actor import current_actor
from accounts.audit import record
from accounts.models import User
from accounts.oidc.errors import NotConfigured, ProviderSaidNo, SignInRefused, StateUnknown
from accounts.oidc.library import callback_address, library_setting
from accounts.oidc.provider import provider
from accounts.oidc.refusals import refuse
from accounts.oidc.session import BACKEND, confirm, is_sso
from accounts.oidc.tokens import text_of
from accounts.signin import way_on

STATES, NEXT = "oidc_states", "oidc_login_next"  # the library's names in the session
STATE_SECONDS = 3600


@method_decorator(never_cache, name="dispatch")
class Login(OIDCAuthenticationRequestView):
    """Off to the provider. As often as anybody likes: each visit is a sign-in of its own."""

    get_settings = staticmethod(library_setting)

    def get(self, request: HttpRequest) -> HttpResponse:
        """A redirect; without a provider, the page that says so."""
        if not provider().is_configured:
            return refuse(request, NotConfigured())
        if is_elsewhere(request):
            return redirect(settings.PUBLIC_URL + request.get_full_path())
        earlier = request.session.get(NEXT)
        response: HttpResponse = super().get(request)
        if "next" not in request.GET:
            request.session[NEXT] = (
                earlier  # the second try of somebody whom the provider forgot to send back
            )
        return response

    def get_extra_params(self, request: HttpRequest) -> dict[str, str]:
        """The callback's address as it is registered."""
        return {"redirect_uri": callback_address(request)}


@method_decorator(never_cache, name="dispatch")
class Callback(OIDCAuthenticationCallbackView):
    """Back from the provider: a session, or a page that says why not."""

    user: User
    get_settings = staticmethod(library_setting)

    def get(self, request: HttpRequest) -> HttpResponse:
        """Sign in and go on to where the person wanted to be."""
        try:
            if not provider().is_configured:
                raise NotConfigured
            self.check_state(request)
            if "code" not in request.GET:
                raise self.turned_away(request)
            response: HttpResponse = super().get(request)
        except SignInRefused as refusal:
            return refuse(request, refusal)
        return response

    def check_state(self, request: HttpRequest) -> None:
        """Raises StateUnknown unless this browser started this sign-in within the hour."""
        known: Any = request.session.get(STATES, {}).get(request.GET.get("state", ""))
        if known is None:
            raise StateUnknown("the state is not of this browser" if "state" in request.GET else "no state")
        if time.time() - known["added_on"] > STATE_SECONDS:
            raise StateUnknown("the state is too old")

    def turned_away(self, request: HttpRequest) -> ProviderSaidNo:
        """The provider sent an error in place of a code: whoever it had vouched for is signed out."""
        del request.session[STATES][request.GET["state"]]
        request.session.modified = True
        if request.user.is_authenticated and is_sso(request.session):
            logout(request)
        return ProviderSaidNo(f"it sent back {text_of(request.GET.dict(), 'error')[:80] or 'no code'}")

    def login_success(self) -> HttpResponse:
        """A session that knows when it has to be confirmed again."""
        is_new = self.request.user != self.user
        target = self.request.session.pop(NEXT, None)
        super().login_success()
        session = self.request.session
        session[BACKEND_SESSION_KEY] = BACKEND
        session.clear_expired()  # those of visitors who never came back from the provider
        confirm(session, self.request.sso_tokens)
        if is_new:
            record(self.user.get_username(), "signed in", self.user, {}, current_actor().address)
        return redirect(way_on(self.user, target))

    def login_failure(self) -> HttpResponse:
        """The library gave up without a reason of ours."""
        raise ProviderSaidNo("no user came of it")


def is_elsewhere(request: HttpRequest) -> bool:
    """Whether the browser came by another host than the public one, where the provider will send it back to.

    The cookie has to be there too; ports do not matter to cookies.
    """
    public = urlsplit(settings.PUBLIC_URL).hostname
    return public is not None and urlsplit(f"//{request.get_host()}").hostname != public
