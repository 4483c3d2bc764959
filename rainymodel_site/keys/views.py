"""/keys/: somebody's own keys, and making another."""

from calendar import monthrange
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts import own_keys
from accounts.actor import current_actor
from accounts.admin.keys import creation_of
from accounts.keys import NewKey
from accounts.models import ApiKey, User
from accounts.own_keys import AlreadyMade
from accounts.site import site_address
from gateway.own_usage import KeyUse, month_to_date
from rainymodel_site.keys.access import for_callers
from rainymodel_site.keys.charts import COST, Chart, cost, draw
from rainymodel_site.keys.forms import KeyForm

MOST_ENDED = 50
TOLD_AGAIN = (
    "This form has made its key already. A key is shown once; if you missed it, roll it for a new one."
)


@dataclass(frozen=True, slots=True)
class Line:
    """A key in the list: `state` is its own word, or `replaced` for one that ends after it was rolled."""

    row: ApiKey
    state: str
    requests: int
    errors: int
    cost: str
    chart: Chart | None


@require_safe
@for_callers
def key_list(request: HttpRequest) -> HttpResponse:
    """The open keys with what they used this month; ended ones below."""
    lines = lines_of(ApiKey.objects.filter(owner_id=request.user.pk).select_related("owner"))
    ended = [line for line in lines if line.state in {"revoked", "expired"}]
    context = {
        "open": [line for line in lines if line not in ended],
        "ended": ended[:MOST_ENDED],
        "most": own_keys.MOST_OPEN_KEYS,
        "section": "keys",
    }
    return render(request, "keys/list.html", context)


def lines_of(rows: Iterable[ApiKey]) -> list[Line]:
    """The keys with their use, in order."""
    found = list(rows)
    used = month_to_date(row.pk for row in found)
    return [line_of(row, used[row.pk]) for row in found]


def line_of(row: ApiKey, use: KeyUse) -> Line:
    """One key's line; without cost this month there is nothing to draw."""
    chart = draw_month(use) if use.month.cost_usd else None
    return Line(row, state_of(row), use.month.requests, use.month.errors, cost(use.month), chart)


def state_of(row: ApiKey) -> str:
    """active, paused, replaced, expired or revoked."""
    state = row.state
    return "replaced" if row.replaced_by_id is not None and state in {"active", "paused"} else state


def draw_month(use: KeyUse) -> Chart:
    """The month's days, those to come left empty."""
    last: date = use.days[-1].day
    return draw(use.days, COST, slots=monthrange(last.year, last.month)[1], slot=5, gap=1, height=26)


@require_http_methods(["GET", "HEAD", "POST"])
@for_callers
def new_key(request: HttpRequest) -> HttpResponse:
    """The form; sent, the one page that shows the key. Sent twice it makes one key."""
    owner = request.user
    assert isinstance(owner, User)
    creation, sent = creation_of(request), request.POST if request.method == "POST" else None
    form, status = KeyForm(sent, instance=ApiKey(owner=owner), most=own_keys.at_most(owner)), 200
    if sent is not None and form.is_valid():
        try:
            row, made = own_keys.create(owner, current_actor(), id=creation, **form.cleaned_data)
            return shown_once(request, row, made)
        except AlreadyMade as again:
            return made_before(request, again)
        except ValidationError as error:
            form.take(error)
            status = 429 if isinstance(error, own_keys.TooOften) else 200
    form.point()
    context = {"form": form, "creation": creation, "title": "New key", "row": None}
    return render(request, "keys/form.html", context, status=status)


def shown_once(request: HttpRequest, row: ApiKey, made: NewKey, old: ApiKey | None = None) -> HttpResponse:
    """The one page with the key's text; `old` is the key that it replaces."""
    context = {
        "row": row,
        "key": made.text,
        "old": old,
        "address": site_address(),
        "model": usable(row, "rainymodel/auto"),
        "agent": usable(row, "rainymodel/agent"),
        "code": usable(row, "rainymodel/code"),
        "small": usable(row, "rainymodel/chat"),
    }
    return render(request, "keys/created.html", context)


def made_before(request: HttpRequest, again: AlreadyMade) -> HttpResponse:
    """To the page of the key, which does not hold its text."""
    messages.warning(request, TOLD_AGAIN)
    return redirect("keys:one", again.made)


def usable(row: ApiKey, usual: str) -> str:
    """A model for an example: the usual one, or where the key may not use it, the first that it names in full."""
    if not row.aliases or any(fnmatchcase(usual, pattern) for pattern in row.aliases):
        return usual
    return next((name for name in row.aliases if "*" not in name), usual)
