"""The page of the draft, and what its buttons do."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from accounts.moments import moment_words
from rainymodel_site.console.change.arrival import read_arrival
from rainymodel_site.console.change.review import ROWS_SHOWN, read_review
from rainymodel_site.console.views import page
from routing.admin.publishing import author_of
from routing.document import CatalogueError
from routing.draft import discard, hold
from routing.engine.reach import LONG_CONTEXT, NEEDS
from routing.models import CatalogueRevision, PublishingSwitch
from routing.publish import NOTE_LENGTH, REASON_LENGTH, PublishError, publish
from routing.schedule import NotScheduled, cancel, schedule

TO_PUBLISH = "routing.add_cataloguerevision"
TO_HOLD = "routing.change_publishingswitch"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("routing.view_cataloguerevision", raise_exception=True)
def draft_page(request: HttpRequest) -> HttpResponse:
    """The review of the draft; POST does what the pressed button says, and a refusal shows the page as it is now."""
    if request.method != "POST":
        return review_page(request)
    deed, permission = DEEDS.get(request.POST.get("do", ""), (nothing, TO_PUBLISH))
    if not request.user.has_perm(permission):
        raise PermissionDenied
    try:
        return deed(request)
    except (PublishError, CatalogueError) as refusal:
        messages.error(request, str(refusal))
        return review_page(request, status=409)


def review_page(request: HttpRequest, status: int = 200) -> HttpResponse:
    """The page, with what was typed into its forms so far."""
    number = number_in(request.GET, "published")
    context = {
        "review": read_review(),
        "typed": request.POST,
        "needs": list(NEEDS),
        "tokens": f"{LONG_CONTEXT:,}",
        "rows_shown": f":{ROWS_SHOWN}",
        "note_length": NOTE_LENGTH,
        "reason_length": REASON_LENGTH,
        "now": timezone.now(),
        "arrival": read_arrival(number) if number else None,
        "may_publish": request.user.has_perm(TO_PUBLISH),
        "may_hold": request.user.has_perm(TO_HOLD),
    }
    answer = page(request, "console/draft.html", "Draft", CatalogueRevision, **context)
    answer.status_code = status
    return answer


def publish_now(request: HttpRequest) -> HttpResponse:
    """Publish what was looked at, on top of the revision that was looked at."""
    fields = request.POST
    done = publish(
        author_of(request),
        fields.get("note", ""),
        parent=number_in(fields, "parent"),
        seen=fields.get("seen", ""),
        reason=fields.get("reason", ""),
    )
    if not done.changed:
        messages.info(request, "Nothing differs from what serves already.")
        return redirect("console:draft")
    messages.success(request, f"Published as revision {done.number}; new requests use it.")
    return redirect(f"{reverse('console:draft')}?published={done.number}")


def publish_later(request: HttpRequest) -> HttpResponse:
    """Store the wish to publish what was looked at."""
    fields = request.POST
    made = schedule(
        read_time(fields.get("at", "")),
        author_of(request),
        fields.get("note", ""),
        parent=number_in(fields, "parent"),
        seen=fields.get("seen", ""),
        reason=fields.get("reason", ""),
    )
    held = "is held until then" if made.began_hold else "stays held afterwards, as it was before"
    messages.success(request, f"It will be published at {moment_words(made.at)}. Publishing {held}.")
    return redirect("console:draft")


def take_back(request: HttpRequest) -> HttpResponse:
    """Cancel what is scheduled."""
    cancel(number_in(request.POST, "scheduled"), author_of(request))
    now = (
        "Publishing is still held." if PublishingSwitch.load().held else "Saves publish by themselves again."
    )
    messages.success(request, f"Cancelled: nothing will be published at that time. {now}")
    return redirect("console:draft")


def hold_now(request: HttpRequest) -> HttpResponse:
    """Saves stay a draft from now on."""
    hold()
    messages.success(request, "Publishing is held: saves stay a draft.")
    return redirect("console:draft")


def resume_now(request: HttpRequest) -> HttpResponse:
    """Saves publish again."""
    hold(False)
    messages.success(request, "Saves publish by themselves again.")
    return redirect("console:draft")


def nothing(request: HttpRequest) -> HttpResponse:
    """A button that this page does not have."""
    messages.warning(request, "Nothing was done.")
    return redirect("console:draft")


DEEDS: Mapping[str, tuple[Callable[[HttpRequest], HttpResponse], str]] = {
    "publish": (publish_now, TO_PUBLISH),
    "schedule": (publish_later, TO_PUBLISH),
    "cancel": (take_back, TO_PUBLISH),
    "hold": (hold_now, TO_HOLD),
    "resume": (resume_now, TO_HOLD),
}


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(TO_PUBLISH, raise_exception=True)
def discard_page(request: HttpRequest) -> HttpResponse:
    """GET asks whether the draft is to be thrown away, and shows it; POST does it."""
    if request.method == "POST":
        try:
            discard(author_of(request), request.POST.get("seen", ""))
        except (PublishError, CatalogueError) as refusal:
            messages.error(request, str(refusal))
            return redirect("console:discard")
        messages.success(request, "The draft is discarded: the tables say what serves.")
        return redirect("console:draft")
    return page(
        request, "console/draft_discard.html", "Discard the draft?", CatalogueRevision, review=read_review()
    )


@never_cache
@require_safe
@permission_required("routing.view_cataloguerevision", raise_exception=True)
def arrival_part(request: HttpRequest) -> HttpResponse:
    """How far a revision has come, for htmx."""
    number = number_in(request.GET, "revision")
    return render(
        request, "console/draft_arrival.html", {"arrival": read_arrival(number), "now": timezone.now()}
    )


def number_in(fields: Mapping[str, str], name: str) -> int:
    """A number that a form or an address holds; 0 for anything else."""
    text = fields.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def read_time(text: str) -> datetime:
    """The time of a form's field, in the viewer's zone unless it says an offset. Raises NotScheduled."""
    try:
        read = datetime.fromisoformat(text)
        if read.tzinfo is None:
            read = read.replace(tzinfo=timezone.get_current_timezone())
        return read.astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotScheduled("Say at which time, as 2026-12-31T06:00.") from None
