"""/keys/ID/: one key's limits, rolling it, revoking it. An operator may open the keys of everyone."""

import uuid

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from accounts import own_keys
from accounts.actor import current_actor
from accounts.admin.keys import creation_of
from accounts.models import ApiKey, User
from accounts.own_keys import AlreadyMade
from rainymodel_site.keys.access import for_callers
from rainymodel_site.keys.forms import KeyForm, RollForm
from rainymodel_site.keys.views import lines_of, made_before, shown_once, state_of

WITHIN = "Gateways know within 2 seconds."
CLOSED = frozenset({"replaced", "revoked"})


@require_http_methods(["GET", "HEAD", "POST"])
@for_callers
def change_key(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """The key's use, its label and its limits to change."""
    row = key_of(request, pk)
    state, sent = state_of(row), request.POST if request.method == "POST" else None
    form = KeyForm(sent, instance=row, most=own_keys.at_most(row.owner))
    if sent is not None and form.is_valid():
        try:
            own_keys.change(row, current_actor(), **changed(form))
            messages.success(request, f"Saved. {WITHIN}")
            return redirect("keys:one", pk)
        except ValidationError as error:
            form.take(error)
    form.point()
    stored = key_of(request, pk)  # a form that was refused has written into its own row
    context = {
        "form": form,
        "row": stored,
        "line": lines_of([stored])[0],
        "title": stored.label,
        "closed": state in CLOSED,
        "others": stored.owner != request.user,
    }
    return render(request, "keys/form.html", context)


def changed(form: KeyForm) -> dict[str, object]:
    """The fields that were edited."""
    return {name: form.cleaned_data[name] for name in form.changed_data if name in form.cleaned_data}


@require_http_methods(["GET", "HEAD", "POST"])
@for_callers
def roll_key(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """GET asks when the old key shall end, POST makes the new one and shows it."""
    old, creation = key_of(request, pk), creation_of(request)
    form, status = RollForm(request.POST if request.method == "POST" else None), 200
    if form.is_bound and form.is_valid():
        try:
            row, made = own_keys.roll(old, current_actor(), form.overlap, id=creation)
            return shown_once(request, row, made, key_of(request, pk))
        except AlreadyMade as again:
            return made_before(request, again)
        except ValidationError as error:
            form.add_error(None, error.messages)
            status = 429 if isinstance(error, own_keys.TooOften) else 200
    context = {"form": form, "row": old, "creation": creation}
    return render(request, "keys/roll.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
@for_callers
def revoke_key(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """GET asks, POST revokes for good."""
    row = key_of(request, pk)
    if request.method != "POST" and row.revoked_at is None:
        return render(request, "keys/revoke.html", {"row": row})
    if row.revoked_at is not None:
        messages.info(request, f"“{row.label}” is revoked already.")
    else:
        own_keys.revoke(row, current_actor())
        messages.success(request, f"“{row.label}” is revoked. {WITHIN}")
    return redirect("keys:list")


def key_of(request: HttpRequest, pk: uuid.UUID) -> ApiKey:
    """The key, as stored now; 404 for one that is not theirs to see."""
    user = request.user
    assert isinstance(user, User)
    return get_object_or_404(own_keys.keys_for(user), pk=pk)
