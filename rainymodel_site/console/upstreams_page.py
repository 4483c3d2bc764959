"""The page of upstreams: how every deployment stands with every worker, and orders to all of them."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.moments import moment_words
from gateway.models import Worker
from gateway.state_models import UpstreamState
from rainymodel_site.console.board import read_board, serving_catalogue
from rainymodel_site.console.orders import (
    CLOSE,
    ENDLESS,
    HOLD,
    OPEN,
    RELEASE,
    TIMES,
    OrderRefused,
    Wanted,
    give_order,
    read_until,
    read_wanted,
)
from rainymodel_site.console.views import page

DONE = "Every worker takes it up within about a second."
# What each order means: the question, what it does, the button, and what the endless choice is called.
MEANINGS = {
    OPEN: (
        "Keep requests away from {slug}?",
        "Its circuit opens in every worker. Requests go to other deployments; only where nothing else is left may one"
        " at a time still try it. When the time is over one request tries it first.",
        "Open its circuit",
        "until somebody closes it",
    ),
    CLOSE: (
        "Let requests through to {slug} again?",
        "Every worker forgets its troubles: its circuit closes, its holds and its provider’s end. What is still wrong"
        " will open it again.",
        "Close its circuit",
        "",
    ),
    HOLD: (
        "Hold {slug}?",
        "No request goes to any of its deployments, whatever else fails. Clients whose models have no other"
        " provider are told to come back later.",
        "Hold the provider",
        "until somebody releases it",
    ),
    RELEASE: (
        "Release {slug}?",
        "Every worker ends the holds of its deployments. Circuits that are open stay so until they are tried.",
        "Release the provider",
        "",
    ),
}


@never_cache
@require_safe
@permission_required("gateway.view_worker", raise_exception=True)
def upstreams_page(request: HttpRequest) -> HttpResponse:
    """The board; for htmx, which asks for it again and again, without the frame."""
    everything = request.GET.get("show") == "all"
    context = {
        "board": read_board(timezone.now(), everything=everything),
        "everything": everything,
        "may_order": request.user.has_perm("routing.change_provider"),
    }
    if request.headers.get("HX-Request"):
        return render(request, "console/upstreams_board.html", context)
    return page(request, "console/upstreams.html", "Upstreams", Worker, **context)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("routing.change_provider", raise_exception=True)
def order_page(request: HttpRequest) -> HttpResponse:
    """GET asks whether the order is meant, and for how long; POST gives it."""
    catalogue = serving_catalogue()
    providers = frozenset(each.slug for each in catalogue)
    deployments = frozenset(str(entry["slug"]) for each in catalogue for entry in each.deployments)
    fields = request.POST if request.method == "POST" else request.GET
    try:
        wanted = read_wanted(fields, deployments, providers)
        if request.method == "POST":
            return ordered(request, wanted)
    except OrderRefused as refusal:
        messages.warning(request, str(refusal))
        return redirect("console:upstreams")
    question, meaning, button, endless = MEANINGS[wanted.what]
    context = {
        "wanted": wanted,
        "meaning": meaning,
        "button": button,
        "times": [*TIMES.items(), (ENDLESS, endless)] if wanted.lasts else [],
    }
    title = question.format(slug=wanted.slug)
    return page(request, "console/upstream_order.html", title, UpstreamState, **context)


def ordered(request: HttpRequest, wanted: Wanted) -> HttpResponse:
    """Give the order, and lead back to the board. Raises OrderRefused."""
    order = give_order(wanted, read_until(request.POST, timezone.now()) if wanted.lasts else None)
    until = f" until {moment_words(order.until)}" if order.until else ""
    deeds = {
        OPEN: f"{wanted.slug} is kept away from{until or ' until somebody closes it'}.",
        CLOSE: f"{wanted.slug} is asked again.",
        HOLD: f"{wanted.slug} is on hold{until or ' until somebody releases it'}.",
        RELEASE: f"{wanted.slug} is released.",
    }
    messages.success(request, f"{deeds[wanted.what]} {DONE}")
    return redirect(reverse("console:upstreams") + ("?show=all" if request.POST.get("show") == "all" else ""))
