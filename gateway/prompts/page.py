"""The page below a request's own: its prompt and answer, for those who may, each look written down before it."""

from datetime import datetime
from uuid import UUID

from django.contrib import admin
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.actor import current_actor
from accounts.audit import record
from gateway.models import RequestLog
from gateway.prompt_models import StoredPrompt
from gateway.prompts.reading import has_consent, open_prompt, reading_of
from gateway.prompts.retention import KEEP
from gateway.uuid7 import time_of

PERMISSION = "gateway.view_storedprompt"
NOTHING = (
    "Nothing is kept of this request",
    "Prompts and answers are kept for 7 days, and only of API keys whose owner switched that on. The key’s owner or "
    "an operator does so on the key’s page; it holds for requests from then on.",
)
ENDED = (
    "The consent has ended",
    "The key was revoked, or its owner does not want its prompts kept any more. What was kept is being deleted.",
)
UNREADABLE = (
    "This does not open here",
    "It was sealed with a key that is no longer in RAINYMODEL_SECRET_KEYS. Put that key back behind the first one, "
    "and load the page again.",
)


@never_cache
@require_safe
@permission_required(PERMISSION, raise_exception=True)
def prompt_page(request: HttpRequest, object_id: UUID) -> HttpResponse:
    """What was asked and answered, or why it cannot be shown."""
    row = StoredPrompt.objects.filter(pk=object_id).first()
    context = {
        **admin.site.each_context(request),
        "title": "Prompt and answer",
        "content_title": "Prompt and answer",
        "model_admin": admin.site.get_model_admin(RequestLog),
        "id": object_id,
        **(absent(NOTHING) if row is None else shown(row)),
    }
    return render(request, "admin/gateway/requestlog/prompt.html", context)


def shown(row: StoredPrompt) -> dict[str, object]:
    """What the template shows of a stored prompt. The audit has the look before anything is opened."""
    if not has_consent(row.key_id):
        return absent(ENDED)
    actor = current_actor()
    record(actor.name, "read a prompt", row, {"key": (None, str(row.key_id))}, actor.address)
    document = open_prompt(row)
    if document is None:
        return absent(UNREADABLE)
    return {"reading": reading_of(document), "until": kept_until(row.pk)}


def absent(told: tuple[str, str]) -> dict[str, object]:
    """What the template says in place of a prompt."""
    return {"told": told[0], "more": told[1]}


def kept_until(id: UUID) -> datetime:
    """When a stored prompt is deleted at the latest."""
    return time_of(id) + KEEP


def may_look(request: HttpRequest, id: UUID) -> bool:
    """Whether there is something for this person behind the link."""
    return request.user.has_perm(PERMISSION) and StoredPrompt.objects.filter(pk=id).exists()
