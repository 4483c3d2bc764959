"""/keys/ID/end-users/: for whom an application used its key, month by month."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts import own_keys
from accounts.caller import Defaults, callers_of, environment_keys
from accounts.models import ApiKey, Role, User
from accounts.site import site_address
from gateway.end_users import (
    SHOWN,
    EndUserUse,
    by_end_user,
    counted_from,
    logged_label,
    month_of,
    months_kept,
    read_month,
)
from rainymodel_site import env
from rainymodel_site.keys.access import for_callers
from rainymodel_site.keys.charts import cost, count

LONGEST_SEARCH = 200
EXAMPLE = """curl {address}/v1/chat/completions \\
  -H "Authorization: Bearer YOUR_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{{"model": "rainymodel/auto", "user": "ada@example.com",
       "messages": [{{"role": "user", "content": "Hello"}}]}}'"""


@dataclass(frozen=True, slots=True)
class Named:
    """A key whose requests are logged: a stored one, or one that the environment or only the log knows."""

    id: UUID
    label: str
    stored: ApiKey | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One end user's sums in words; an empty name is that of requests which named nobody."""

    name: str
    requests: str
    failed: str
    input: str
    cached: str
    output: str
    cost: str


@require_safe
@for_callers
def end_users_page(request: HttpRequest, pk: UUID) -> HttpResponse:
    """The sums of a month, the end users that cost most, and a search among all of them."""
    user = request.user
    assert isinstance(user, User)
    key, now = key_for(user, pk), datetime.now(UTC)
    log_days = env.number("RAINYMODEL_LOG_DAYS", low=1, high=3650)
    month = read_month(request.GET.get("month", "")) or month_of(now)
    search = request.GET.get("search", "")[:LONGEST_SEARCH]
    used = by_end_user(key.id, month, search)
    since = counted_from(month, log_days, now.date())
    context = {
        "section": "keys",
        "key": key,
        "month": month,
        "months": sorted({month, *months_kept(log_days, now.date())}, key=str, reverse=True),
        "search": search,
        "used": used,
        "total": line_of(used.total),
        "named": count(used.named, "end user"),
        "lines": [line_of(each) for each in used.users],
        "is_cut": used.matching > len(used.users),
        "shown": SHOWN,
        "since": since if month.first < since < month.end else None,
        "is_gone": since >= month.end,
        "log_days": log_days,
        "example": EXAMPLE.format(address=site_address()),
        "others": environment_labels() if user.role == Role.ADMIN else {},
    }
    return render(request, "keys/end_users.html", context)


def key_for(user: User, pk: UUID) -> Named:
    """The key, when it is theirs to see; an operator sees all that were ever logged. Raises Http404."""
    row = own_keys.keys_for(user).filter(pk=pk).first()
    if row is not None:
        return Named(pk, row.label, row)
    if user.role != Role.ADMIN:
        raise Http404
    return unstored(pk)


def unstored(pk: UUID) -> Named:
    """A key of the environment, or one the log alone remembers. Raises Http404 when nobody knows it."""
    label = environment_labels().get(pk) or logged_label(pk)
    if label is None:
        raise Http404
    return Named(pk, label)


def environment_labels() -> dict[UUID, str]:
    """The environment's keys by the id that they have in the log."""
    keys = environment_keys(
        env.text("RAINYMODEL_MASTER_KEY"), env.items("RAINYMODEL_API_KEYS"), env.text("LITELLM_MASTER_KEY")
    )
    callers = callers_of(keys, settings.KEY_PEPPER, Defaults()).values()
    return {UUID(caller.key_id): caller.label for caller in callers}


def line_of(use: EndUserUse) -> Line:
    """Sums as a reader wants them: a tilde where tokens were estimated, and what is unknown is not zero."""
    about = "~" if use.estimated else ""

    def told(tokens: int) -> str:
        return f"{about if tokens else ''}{tokens:,}"

    return Line(
        use.name,
        requests=f"{use.requests:,}",
        failed=f"{use.errors:,} failed" if use.errors else "",
        input=told(use.input),
        cached=told(use.cached),
        output=told(use.output),
        cost=f"{about if use.cost_usd else ''}{cost(use.sums)}",
    )
