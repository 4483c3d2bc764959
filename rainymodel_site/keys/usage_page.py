"""/usage/: what somebody's own keys did, as sums, as a chart and request by request."""

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.admin.keys import read_ids
from accounts.caller import token_key_id
from accounts.models import ApiKey, User
from accounts.site import example_request, site_address
from gateway.models import State
from gateway.narrative import duration
from gateway.own_usage import DayUse, RequestRow, Sums, daily, requests_of, total
from rainymodel_site import env
from rainymodel_site.keys.access import for_callers
from rainymodel_site.keys.charts import MEASURES, REQUESTS, cost, count, draw, money

DAYS, PAGE_ROWS = 30, 50
SPANS = (("Today", 1), ("7 days", 7), ("30 days", DAYS))
# How an ending looks; cancelled is nobody's fault.
LOOKS = {State.OK: "good", State.CANCELLED: "quiet", State.CLIENT_ERROR: "warn", State.REFUSED: "warn"}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which requests to show: of one key, with one ending, before one request."""

    key_id: UUID | None = None
    outcome: str = ""
    before: UUID | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether something is left out."""
        return bool(self.key_id or self.outcome)


@dataclass(frozen=True, slots=True)
class Total:
    """Sums in words."""

    span: str
    requests: str
    failed: str
    tokens: str
    cost: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One request, and what of it is made ready to read."""

    row: RequestRow
    outcome: str
    look: str
    tokens: str
    cost: str
    took: str


@require_safe
@for_callers
def usage_page(request: HttpRequest) -> HttpResponse:
    """Totals, the chart and a page of requests."""
    user = request.user
    assert isinstance(user, User)
    choice = read_choice(request)
    days = daily(user.pk, DAYS, key_id=choice.key_id)
    states = [choice.outcome] if choice.outcome else []
    rows = requests_of(user.pk, choice.before, PAGE_ROWS + 1, key_id=choice.key_id, states=states)
    measure = MEASURES.get(request.GET.get("show", ""), REQUESTS)
    context = {
        "section": "usage",
        "choice": choice,
        "keys": keys_of(user),
        "outcomes": State.choices,
        "totals": [told(span, total(days[-length:])) for span, length in SPANS],
        "days": [told(f"{day.day:%-d %b}", day.sums) for day in reversed(days)],
        "chart": draw(days, measure, slots=DAYS, slot=20, gap=4, height=120) if used(days) else None,
        "measure": measure.name,
        "measures": list(MEASURES),
        "first": days[0].day,
        "entries": [entry_of(row) for row in rows[:PAGE_ROWS]],
        "older": rows[PAGE_ROWS - 1].id if len(rows) > PAGE_ROWS else None,
        "example": example_request("YOUR_KEY", site_address()),
        "log_days": env.number("RAINYMODEL_LOG_DAYS", low=1, high=3650),
    }
    return render(request, "keys/usage.html", context)


def read_choice(request: HttpRequest) -> Choice:
    """What the address asks for; what cannot be read is not asked for."""
    key_id, before = (next(iter(read_ids([request.GET.get(name, "")])), None) for name in ("key", "before"))
    outcome = request.GET.get("outcome", "")
    return Choice(key_id, outcome if outcome in State.values else "", before)


def keys_of(user: User) -> list[tuple[UUID, str]]:
    """The keys to choose from, and single sign-on for who came by it."""
    found = [
        (row.pk, f"{row} – {row.state}") for row in ApiKey.objects.filter(owner=user).select_related("owner")
    ]
    if user.subject:
        found.append((token_key_id(user.issuer, user.subject), "single sign-on"))
    return found


def used(days: list[DayUse]) -> bool:
    """Whether there is anything to draw."""
    return any(day.sums.requests for day in days)


def told(span: str, sums: Sums) -> Total:
    """Sums as a reader wants them."""
    failed = f"{sums.errors:,} failed" if sums.errors else "none failed" if sums.requests else ""
    return Total(span, count(sums.requests, "request"), failed, count(sums.tokens, "token"), cost(sums))


def entry_of(row: RequestRow) -> Entry:
    """A request's line: estimated tokens carry a tilde, a cost nobody knows is not zero."""
    about = "~" if row.estimated else ""
    price = "unknown" if row.attempt_count else "–"
    return Entry(
        row,
        State(row.state).label,
        LOOKS.get(State(row.state), "bad"),
        f"{about}{row.tokens:,}" if row.tokens else "–",
        price if row.cost_usd is None else f"{about if row.cost_usd else ''}{money(row.cost_usd)}",
        "–" if row.total_ms is None else duration(row.total_ms),
    )
