"""/playground/: the form; /playground/run: the form read; /playground/spent/ID: what a request of one's own cost."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.models import User
from gateway.models import RequestLog
from rainymodel_site.keys.access import for_callers
from rainymodel_site.keys.charts import count, money
from rainymodel_site.playground.choices import KeyChoice, choices_of
from rainymodel_site.playground.forms import PlaygroundForm
from rainymodel_site.playground.runs import SLOT, Answer, Slot
from rainymodel_site.playground.shown import ROUTE, shown

SCRIPTED = "text/event-stream"  # what the script accepts; a browser's form never asks for it


@require_safe
@for_callers
def playground_page(request: HttpRequest) -> HttpResponse:
    """The form, filled from the address where it names a key or a model."""
    keys = choices_of(user_of(request))
    known = {name: request.GET[name] for name in ("key", "model", "policy") if name in request.GET}
    return page(request, PlaygroundForm(initial=known, keys=keys), keys)


@require_http_methods(["GET", "HEAD", "POST"])
@for_callers
def run(request: HttpRequest) -> HttpResponse:
    """Check the form and leave its runs to the gateway, or show in a page what came of them."""
    if request.method != "POST":
        return redirect("playground:page")
    user, slot, is_scripted = (
        user_of(request),
        slot_of(request),
        SCRIPTED in request.headers.get("Accept", ""),
    )
    keys = choices_of(user)
    form = PlaygroundForm(request.POST, keys=keys)
    if slot.answers:
        form.is_valid()
        return page(request, form, keys, slot.answers)
    if not form.is_valid():
        return refused(form) if is_scripted else page(request, form, keys)
    runs = form.runs(str(user.pk), stream=is_scripted and form.cleaned_data["stream"])
    slot.runs = (
        tuple(runs[-1:] if request.POST.get("side") == "second" else runs[:1]) if is_scripted else tuple(runs)
    )
    slot.as_page = not is_scripted
    return HttpResponse(status=204)


@require_safe
@for_callers
def spent(request: HttpRequest, id: str) -> HttpResponse:
    """What one's own request used, once its row is there."""
    try:
        wanted = UUID(id)
    except ValueError:
        raise Http404 from None
    row = RequestLog.objects.filter(pk=wanted, user_id=str(user_of(request).pk)).first()
    if row is None:
        raise Http404
    cost = "unknown" if row.cost_usd is None else money(row.cost_usd)
    about = "~" if row.estimated else ""
    return JsonResponse({"cost": f"{about}{cost}", "tokens": f"{about}{count(row.total_tokens, 'token')}"})


def user_of(request: HttpRequest) -> User:
    """Who is signed in."""
    assert isinstance(request.user, User)
    return request.user


def slot_of(request: HttpRequest) -> Slot:
    """What the gateway's side put into the scope; one of no use where there is none."""
    found = getattr(request, "scope", {}).get(SLOT)
    return found if isinstance(found, Slot) else Slot()


def refused(form: PlaygroundForm) -> HttpResponse:
    """What is wrong with the form, by field, for the script."""
    return JsonResponse({"errors": {name: list(told) for name, told in form.errors.items()}}, status=400)


def page(
    request: HttpRequest, form: PlaygroundForm, keys: list[KeyChoice], answers: tuple[Answer, ...] = ()
) -> HttpResponse:
    """The form with the answers below it."""
    context: dict[str, Any] = {
        "section": "playground",
        "form": form,
        "keys": keys,
        "models": sorted({name for key in keys for name in key.models}),
        "known": {key.id: asdict(key) for key in keys},
        "route": ROUTE,
        "answers": [shown(answer) for answer in answers],
    }
    return render(request, "playground/page.html", context)
