"""The pages around signing in: how to, the single-use link, signing out."""

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.actor import current_actor
from accounts.audit import record
from accounts.errors import LinkExpired, LinkRefused, LinkUnknown, LinkUsed
from accounts.signin import find_link, use_link

BACKEND = "accounts.roles.RoleBackend"
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
        "next": next_page(request),
        "development": not settings.IS_PRODUCTION,
        "signed_out": "signed-out" in request.GET,
    }
    return render(request, "accounts/sign_in.html", context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_link(request: HttpRequest, token: str) -> HttpResponse:
    """GET shows one button, so that a link preview does not spend the link; POST signs in."""
    try:
        if settings.IS_PRODUCTION:
            raise LinkUnknown
        if request.method == "POST":
            login(request, use_link(token), backend=BACKEND)
            return redirect(settings.LOGIN_REDIRECT_URL)
        return render(request, "accounts/sign_in_link.html", {"person": find_link(token).user})
    except LinkRefused as error:
        status, headline, explanation = REFUSALS[type(error)]
        context = {
            "headline": headline,
            "explanation": explanation,
            "development": not settings.IS_PRODUCTION,
        }
        return render(request, "accounts/sign_in_refused.html", context, status=status)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_out(request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
    """POST ends the session; GET leads to the page that has the button for it."""
    if request.method != "POST":
        return redirect("sign_in")
    if request.user.is_authenticated:
        record(request.user.get_username(), "signed out", request.user, {}, current_actor().address)
    logout(request)
    return redirect(f"{reverse('sign_in')}?signed-out")


def admin_login(request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
    """The admin's own login page is this project's sign-in page."""
    return redirect_to_login(next_page(request), reverse("sign_in"))


def next_page(request: HttpRequest) -> str:
    """The page to go on to: the one asked for if it is ours, else the admin."""
    target = request.GET.get("next", "")
    if url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    ):
        return target
    return settings.LOGIN_REDIRECT_URL
