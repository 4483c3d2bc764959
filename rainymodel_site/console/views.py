"""The pages that reach out: they come at once, and load with htmx what has to be waited for."""

from dataclasses import asdict
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import admin, messages
from django.contrib.auth.decorators import permission_required
from django.core import signing
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from rainymodel_site.console.asking import ListingFailed
from rainymodel_site.console.catalogue import DraftUnusable, read_draft
from rainymodel_site.console.found import discover
from rainymodel_site.console.trial import MOST_AT_ONCE, Trial, try_all
from routing.admin.publishing import announce
from routing.discovery import UNFIT, Offer
from routing.discovery_add import add_offers, chosen_offers, usual_tier
from routing.models import Deployment, Provider, Tier
from routing.publish import publishing_lock

LIST_LIVES = 3600  # seconds a shown list may be chosen from
LISTS = ("dialects", "capabilities")


def page(request: HttpRequest, template: str, title: str, below: type[Model], **context: Any) -> HttpResponse:
    """A page inside the admin's frame, in the trail of pages below the list of `below`."""
    frame = {**admin.site.each_context(request), "title": title, "content_title": title}
    return render(request, template, {**frame, "model_admin": admin.site.get_model_admin(below), **context})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("routing.add_deployment", raise_exception=True)
def discover_page(request: HttpRequest, pk: int) -> HttpResponse:
    """GET is the frame that loads the list; POST adds the chosen models."""
    provider = get_object_or_404(Provider, pk=pk)
    if request.method != "POST":
        title = f"Models of {provider.slug}"
        return page(request, "console/discover.html", title, Provider, provider=provider)
    try:
        found = shown_before(request.POST.get("offers", ""), pk)
    except signing.BadSignature:
        messages.error(request, "That list is more than an hour old. Here it is anew: choose again.")
        return redirect("console:discover", pk)
    tier = Tier.objects.filter(slug=request.POST.get("tier", "")).first()
    chosen, _ = chosen_offers(found, request.POST.getlist("model"))
    if tier is None or not chosen:
        messages.warning(request, "Nothing was added: choose at least one model, and a tier.")
        return redirect("console:discover", pk)
    with publishing_lock():
        tell_added(request, provider, tier, chosen)
    return redirect(f"{reverse('admin:routing_deployment_changelist')}?provider__id__exact={pk}")


def tell_added(request: HttpRequest, provider: Provider, tier: Tier, chosen: list[Offer]) -> None:
    """Add the chosen models, publish, and say both."""
    report = add_offers(provider, tier, chosen)
    if report.added:
        count = len(report.added)
        messages.success(
            request,
            f"Added {count} deployment{'s' if count > 1 else ''} of {provider.slug} to tier {tier.slug}.",
        )
        announce(request)
    for model, why in report.left_out.items():
        messages.warning(request, f"{model} was left out: {why}")


@never_cache
@require_safe
@permission_required("routing.add_deployment", raise_exception=True)
def discover_found(request: HttpRequest, pk: int) -> HttpResponse:
    """The list itself, for htmx: models to choose from, or why there are none."""
    provider = get_object_or_404(Provider, pk=pk)
    try:
        found = discover(provider)
    except ListingFailed as error:
        return render(request, "console/found.html", {"provider": provider, "problem": str(error)})
    new = [offer for offer in found if offer.is_new]
    context = {
        "provider": provider,
        "new": new,
        "here": [offer for offer in found if offer.is_known],
        "unfit": [offer for offer in found if offer.state == UNFIT],
        "offers": signing.dumps([asdict(offer) for offer in new], salt=salt(pk), compress=True),
        "tiers": Tier.objects.all(),
        "usual": usual_tier(provider),
    }
    return render(request, "console/found.html", context)


def shown_before(text: str, pk: int) -> list[Offer]:
    """The offers that the page showed; raises BadSignature when we did not write them, or too long ago."""
    entries = signing.loads(text, salt=salt(pk), max_age=LIST_LIVES)
    return [Offer(**{**entry, **{name: tuple(entry[name]) for name in LISTS}}) for entry in entries]


def salt(pk: int) -> str:
    """A list of one provider is none of another."""
    return f"console.discover.{pk}"


@never_cache
@require_safe
@permission_required("routing.change_deployment", raise_exception=True)
def test_page(request: HttpRequest) -> HttpResponse:
    """A line for each deployment, which asks it when the page has come."""
    slugs = list(dict.fromkeys(request.GET.getlist("deployment")))
    provider = request.GET.get("provider", "")
    if provider:
        try:
            first = read_draft().first_of(provider)
        except DraftUnusable as error:
            messages.error(request, str(error))
            first = None
        slugs = [first.slug] if first else []
    known = list(Deployment.objects.filter(slug__in=slugs).select_related("provider"))
    known.sort(key=lambda row: slugs.index(row.slug))
    owner = known[0].provider if known else Provider.objects.filter(slug=provider).first()
    context = {"rows": known[:MOST_AT_ONCE], "left_out": len(known[MOST_AT_ONCE:]), "provider": owner}
    return page(request, "console/test.html", "Test", Provider if provider else Deployment, **context)


@never_cache
@require_POST
@permission_required("routing.change_deployment", raise_exception=True)
def test_one(request: HttpRequest) -> HttpResponse:
    """Ask one deployment now; its line of the table."""
    row = get_object_or_404(
        Deployment.objects.select_related("provider"), slug=request.POST.get("deployment", "")
    )
    try:
        draft = read_draft()
        (trial,) = async_to_sync(try_all)(draft, [draft.snapshot.deployments[row.slug]])
    except DraftUnusable as error:
        trial = Trial(row.slug, False, str(error), "Mend the draft, then test again.", tried=False)
    return render(request, "console/test_row.html", {"row": row, "trial": trial})
