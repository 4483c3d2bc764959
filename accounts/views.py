"""The pages around signing in: how to, the single-use link, signing out."""

from datetime import timedelta
from urllib.parse import urlencode

import structlog
from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.actor import current_actor
from accounts.audit import record
from accounts.caller import CALLING_ROLES
from accounts.errors import LinkExpired, LinkRefused, LinkUnknown, LinkUsed
from accounts.oidc.exchange import revoke
from accounts.oidc.provider import provider
from accounts.oidc.session import is_sso, tokens_of
from accounts.signin import find_link, home_of, use_link, way_on

log = structlog.get_logger("accounts.signin")
BACKEND = "accounts.roles.RoleBackend"
BREAK_GLASS = timedelta(hours=1)
# What became of the link: status, headline, explanation.
REFUSALS: dict[type[LinkRefused], tuple[int, str, str]] = {
    LinkUnknown: (
        404,
        "This link is not valid",
        "Check that the whole link was copied; it ends in 43 random characters.",
    ),
    LinkUsed: (
        410,
        "This link was used already",
        "A sign-in link works once, and somebody has used this one.",
    ),
    LinkExpired: (410, "This link has expired", "A sign-in link works for a short time only."),
}


@never_cache
@require_safe
def sign_in(request: HttpRequest) -> HttpResponse:
    """How to sign in; for somebody who is signed in, where to go or why there is nothing here for them."""
    context = {
        "next": way_on(request.user, next_page(request)) if request.user.is_authenticated else "",
        "sso": provider().name if provider().is_configured else "",
        "sso_address": provider().at("/"),
        "sso_query": f"?{urlencode({'next': request.GET['next']})}" if "next" in request.GET else "",
        "development": not settings.IS_PRODUCTION,
        "signed_out": request.GET.get("signed-out"),
        "may_call": request.user.is_authenticated and request.user.role in CALLING_ROLES,
    }
    return render(request, "accounts/sign_in.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_link(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows one button, so that a link preview does not spend the link; POST signs in."""
    try:
        if request.method == "POST":
            return sign_in_by_link(request, token)
        return render(request, "accounts/sign_in_link.html", {"person": find_link(token).user})
    except LinkRefused as error:
        status, headline, explanation = REFUSALS[type(error)]
        context = {
            "headline": headline,
            "explanation": explanation,
            "development": not settings.IS_PRODUCTION,
        }
        return render(request, "accounts/sign_in_refused.html", context, status=status)


def sign_in_by_link(request: HttpRequest, token: str) -> HttpResponse:
    """A session, of an hour where the glass was broken. Raises LinkRefused."""
    link = use_link(token)
    login(request, link.user, backend=BACKEND)
    if link.break_glass:
        # A moment, not a number of seconds: those would begin anew with everything the session stores.
        request.session.set_expiry(timezone.now() + BREAK_GLASS)
    return redirect(home_of(link.user))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_out(request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
    """POST ends the session, and its tokens at the provider; GET leads to the page that has the button for it."""
    if request.method != "POST":
        return redirect("sign_in")
    by_sso, tokens = is_sso(request.session), tokens_of(request.session)
    if request.user.is_authenticated:
        record(request.user.get_username(), "signed out", request.user, {}, current_actor().address)
    logout(request)
    if by_sso and provider().is_configured:
        revoke(provider(), tokens)
    return redirect(f"{reverse('sign_in')}?signed-out{'=here' if by_sso else ''}")


def admin_login(request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
    """The admin's own login page is this project's sign-in page."""
    return redirect_to_login(next_page(request), reverse("sign_in"))


def refuse_form(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The page for a form without its CSRF token. The log names the address without what is secret in it."""
    match = request.resolver_match
    log.warning("a form was refused", reason=reason, page=match.route if match else "")
    response = render(request, "403_csrf.html", status=403)
    response._has_been_logged = True  # type: ignore[attr-defined]  # Django would log the path of a sign-in link
    return response


def next_page(request: HttpRequest) -> str:
    """The page to go on to: the one asked for if it is ours, else the admin."""
    target = request.GET.get("next", "")
    if url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return target
    return settings.LOGIN_REDIRECT_URL
