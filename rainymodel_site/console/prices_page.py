"""The page that proposes prices from the price file: a difference with check boxes."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from rainymodel_site.console.views import page
from routing import price_file
from routing.admin.publishing import announce
from routing.models import Deployment
from routing.price_proposals import proposals, take_over
from routing.publish import publishing_lock


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("routing.add_price", raise_exception=True)
def prices_page(request: HttpRequest) -> HttpResponse:
    """GET shows what differs from the price file; POST takes the chosen ones over, from now on."""
    if request.method == "POST":
        return apply(request)
    slugs = request.GET.getlist("deployment")
    found = proposals(request.GET.get("provider", ""), slugs)
    context = {"proposals": found, "version": price_file.version(), "some": bool(slugs)}
    return page(request, "console/prices.html", "Propose prices", Deployment, **context)


def apply(request: HttpRequest) -> HttpResponse:
    """Take over what was chosen, as far as it still is what was shown."""
    marks = set(request.POST.getlist("proposal"))
    with publishing_lock():
        chosen = [proposal for proposal in proposals() if proposal.mark in marks]
        taken = take_over(chosen)
        if taken:
            count = len(taken)
            messages.success(request, f"{count} deployment{'s have' if count > 1 else ' has'} new prices.")
            announce(request)
    if not marks:
        messages.warning(request, "Nothing was changed: choose at least one deployment.")
    elif len(taken) < len(marks):
        messages.warning(
            request, f"{len(marks) - len(taken)} have changed since the page was shown; look again."
        )
    return redirect(request.get_full_path())
