"""The pages of What if: ask for a replay, watch it, cancel it, read its result."""

from datetime import datetime

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from rainymodel_site.console.explain_catalogue import DRAFT, Unanswerable
from rainymodel_site.console.views import page
from rainymodel_site.console.what_if_start import Wanted, ask, bury, cancel, start
from rainymodel_site.models import Replay
from routing.models import CatalogueRevision, Deployment, Provider

DAYS = ((1, "the last day"), (7, "the last 7 days"))
MOST_DEPLOYMENTS = 500  # to choose from
TITLE = "What if"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("gateway.view_requestlog", raise_exception=True)
def what_if_page(request: HttpRequest) -> HttpResponse:
    """GET is the form and the replays there are; POST starts one."""
    if request.method == "POST":
        return asked(request)
    bury()
    context = {
        "days": DAYS,
        "providers": Provider.objects.filter(enabled=True).order_by("slug").values_list("slug", flat=True),
        "deployments": Deployment.objects.order_by("slug").values_list("slug", flat=True)[:MOST_DEPLOYMENTS],
        "revisions": CatalogueRevision.objects.order_by("-number").values_list("number", flat=True)[:20],
        "replays": Replay.objects.all()[:20],
        "may_start": may_start(request),
    }
    return page(request, "console/what_if.html", TITLE, CatalogueRevision, **context)


def asked(request: HttpRequest) -> HttpResponse:
    """Start a replay and lead to it, or say why not."""
    if not may_start(request):
        messages.warning(request, "Only admins may start a replay.")
        return redirect("console:what_if")
    try:
        replay = ask(read_wanted(request))
    except Unanswerable as problem:
        messages.warning(request, str(problem))
        return redirect("console:what_if")
    try:
        start(replay)
    except OSError as error:
        cancel(replay)
        messages.error(
            request, f"No process could be started for it: {error.strerror or error}. Try again later."
        )
    return redirect("console:what_if_one", replay.pk)


def read_wanted(request: HttpRequest) -> Wanted:
    """What the form asks for; what it cannot ask for is refused by `ask`."""
    days = request.POST.get("days", "1")
    deployment = request.POST.get("deployment", "").strip()
    return Wanted(
        days=int(days) if days.isascii() and days.isdigit() and len(days) < 4 else 0,
        revision=request.POST.get("revision", DRAFT)[:20],
        down=tuple(dict.fromkeys(request.POST.getlist("down"))),
        down_deployments=(deployment,) if deployment else (),
    )


def may_start(request: HttpRequest) -> bool:
    """Whether somebody may start and cancel replays: who may change the catalogue."""
    return bool(request.user.has_perm("routing.change_alias"))


@never_cache
@require_safe
@permission_required("gateway.view_requestlog", raise_exception=True)
def one_page(request: HttpRequest, pk: int) -> HttpResponse:
    """One replay; for htmx, which asks again and again until it is over, without the frame."""
    bury()
    replay = get_object_or_404(Replay, pk=pk)
    context = {
        "replay": replay,
        "percent": round(replay.progress * 100),
        "left": remaining(replay, timezone.now()),
        "may_start": may_start(request),
    }
    if request.headers.get("HX-Request"):
        return render(request, "console/what_if_result.html", context)
    return page(request, "console/what_if_one.html", f"{TITLE} {pk}", CatalogueRevision, **context)


@never_cache
@require_POST
@permission_required("routing.change_alias", raise_exception=True)
def cancel_one(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a replay."""
    if cancel(get_object_or_404(Replay, pk=pk)):
        messages.success(request, "Cancelled.")
    return redirect("console:what_if_one", pk)


def remaining(replay: Replay, now: datetime) -> str:
    """`about 12 seconds left`; empty before that can be told."""
    if replay.started_at is None or replay.progress < 0.02 or replay.is_over:
        return ""
    seconds = (now - replay.started_at).total_seconds() * (1 - replay.progress) / replay.progress
    return f"about {max(1, round(seconds))} seconds left"
