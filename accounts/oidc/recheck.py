"""Asks the provider again, every OIDC_SESSION_AGE, whether the person of a session is still who may be here.

First by the refresh token, without the browser. Where that does not work, a page is fetched by way of the provider.
Until one of both has worked the session is stale: it may read, it may not write.
"""

from collections.abc import Callable

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from accounts.actor import Actor, acting, current_actor
from accounts.oidc.admission import admit
from accounts.oidc.errors import CheckOverdue, ProviderSaidNo, ProviderSilent, SignInRefused, TokenRefused
from accounts.oidc.exchange import identify, identify_bearer, redeem, tokens_in
from accounts.oidc.provider import provider
from accounts.oidc.refusals import note, refuse
from accounts.oidc.session import (
    Tokens,
    confirm,
    forget_tokens,
    is_sso,
    is_stale,
    note_question,
    seconds_since_question,
    tokens_of,
)
from accounts.oidc.tokens import Identity

PAUSE = 60.0  # seconds between two questions for one session
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
EXEMPT = ("/auth/", "/signin/", "/signout/", "/static/", "/admin/logout/")


class SessionCheck:
    """Middleware behind the session, the user and the audit's actor."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, or send the browser to the provider, or refuse a write."""
        if not needs_check(request):
            return self.get_response(request)
        return self.check(request) or self.get_response(request)

    def check(self, request: HttpRequest) -> HttpResponse | None:
        """None when the request may go on."""
        if provider().is_configured and seconds_since_question(request.session) >= PAUSE:
            note_question(request.session)
            try:
                if refresh(request):
                    return None
                if is_page_visit(request):
                    return redirect(f"{reverse('sso_login')}?{urlencode({'next': request.get_full_path()})}")
            except ProviderSilent as silence:
                note(silence)
            except SignInRefused as refusal:
                logout(request)
                return refuse(request, refusal)
        if request.method in SAFE:
            return None
        return refuse(request, CheckOverdue(), next_page=request.get_full_path())


def needs_check(request: HttpRequest) -> bool:
    """Whether this is a request of a stale session to a page that is not about signing in or out."""
    if request.path.startswith(EXEMPT) or not request.user.is_authenticated:
        return False
    return is_sso(request.session) and is_stale(request.session)


def refresh(request: HttpRequest) -> bool:
    """Confirm the session by its refresh token; False when there is none, or it is spent.

    Raises ProviderSilent, and whatever says that this person must not be here any more.
    """
    tokens = tokens_of(request.session)
    if not tokens.refresh:
        return False
    try:
        answer = redeem(provider(), {"grant_type": "refresh_token", "refresh_token": tokens.refresh})
    except ProviderSaidNo:
        forget_tokens(request.session)
        return False
    renewed = tokens_in(answer, tokens)
    if "id_token" in answer:
        bring_up_to_date(request, identify(provider(), answer["id_token"]), renewed)
    elif identity := identify_bearer(provider(), renewed.access):
        bring_up_to_date(request, identity, renewed)
    confirm(request.session, renewed)
    return True


def bring_up_to_date(request: HttpRequest, identity: Identity, tokens: Tokens) -> None:
    """Apply what the provider says of the person now. Raises SignInRefused, also for somebody else's token."""
    user = request.user
    if (identity.issuer, identity.subject) != (user.issuer, user.subject):  # type: ignore[union-attr]
        raise TokenRefused("it is of somebody else")
    address = current_actor().address
    with acting(lambda: Actor(identity.email, address)):
        request.user = admit(identity, tokens.access)


def is_page_visit(request: HttpRequest) -> bool:
    """Whether a person opened a page, in a browser that can go by way of the provider."""
    headers = request.headers
    by_script = "HX-Request" in headers or headers.get("X-Requested-With") == "XMLHttpRequest"
    by_program = headers.get("Sec-Fetch-Dest", "document") != "document" or request.path.startswith("/api/")
    return request.method == "GET" and not by_script and not by_program
