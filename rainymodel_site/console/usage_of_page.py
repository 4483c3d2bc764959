"""The panel of who uses something: a page of its own, and a part of the pages that delete."""

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import ApiKey
from rainymodel_site.console.usage_of import ALIAS, DEPLOYMENT, KEY, PROVIDER, usage_of
from rainymodel_site.console.views import page
from routing.models import Alias, Deployment, Provider

MODELS: dict[str, type[Model]] = {PROVIDER: Provider, DEPLOYMENT: Deployment, ALIAS: Alias, KEY: ApiKey}


@never_cache
@require_safe
@permission_required("gateway.view_requestlog", raise_exception=True)
def usage_page(request: HttpRequest) -> HttpResponse:
    """`?kind=provider&id=3`; for htmx the panel without the frame. Without a kind, what to do."""
    kind, id = request.GET.get("kind", ""), request.GET.get("id", "")
    if not kind:
        return page(request, "console/usage_of.html", "Who uses it", Provider, use=None)
    row = find(request, kind, id)
    name = str(getattr(row, "slug", None) or getattr(row, "name", None) or getattr(row, "label", ""))
    context = {"use": usage_of(kind, name, str(row.pk))}
    if request.headers.get("HX-Request"):
        return render(request, "console/usage_of_panel.html", context)
    return page(request, "console/usage_of.html", f"Who uses {name}", MODELS[kind], **context)


def find(request: HttpRequest, kind: str, id: str) -> Model:
    """The row that is asked about. Raises Http404, and PermissionDenied where somebody may not see keys."""
    if kind not in MODELS:
        raise Http404
    if kind == KEY and not request.user.has_perm("accounts.view_apikey"):
        raise PermissionDenied
    try:
        row = MODELS[kind]._default_manager.filter(pk=id).first()
    except (ValueError, ValidationError, OverflowError):
        row = None
    if row is None:
        raise Http404
    return row
