"""The request log, the refused rows and the workers in the admin: to read, never to change."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.paginator import InfinitePaginator
from unfold.views import ChangeList

from accounts.site import example_request, site_address
from gateway.admin_filters import (
    FallbackFilter,
    ProviderFilter,
    RecentFilter,
    StreamFilter,
    TierFilter,
    TimeRangeFilter,
)
from gateway.models import DeadLetter, RequestLog, State, Worker
from gateway.narrative import dollars, duration
from gateway.request_page import request_page
from gateway.visible import visible_line

NOTHING = "–"
BADGES = {
    State.OK: "success",
    State.CLIENT_ERROR: "warning",
    State.REFUSED: "warning",
    State.UPSTREAM_ERROR: "danger",
    State.TRUNCATED: "danger",
    State.LOST: "danger",
    State.CANCELLED: "info",
}
Column = TypeVar("Column", bound=Callable[..., Any])
NOT_IN_THE_LIST = ("attempts", "usage_raw", "price", "parameter_edits", "reservation", "needs")


def column(description: str, **looks: Any) -> Callable[[Column], Column]:
    """A column of a list: its heading, and how unfold draws it."""
    decorate: Callable[[Column], Column] = display(description=description, **looks)
    return decorate


class ReadOnlyAdmin(ModelAdmin):  # type: ignore[misc]  # unfold has no types
    """Rows that the gateway writes; nobody else does."""

    actions = None
    list_disable_select_all = True
    list_fullwidth = True
    paginator = InfinitePaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they would count the whole log
    sortable_by = ()

    class Media:
        css = {"all": ("gateway/admin.css",)}

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never."""
        return False


class RequestList(ChangeList):  # type: ignore[misc]
    """The list leaves the large columns in the database."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[RequestLog]:
        """The rows, without what only their own page shows."""
        rows: QuerySet[RequestLog] = super().get_queryset(request, exclude_parameters)
        return rows.defer(*NOT_IN_THE_LIST)


@admin.register(RequestLog)
class RequestLogAdmin(ReadOnlyAdmin):
    """Every request, newest first; the page of one tells its story."""

    list_display = ("at", "who", "asked", "answered_by", "how", "fallback", "used", "took")
    list_display_links = ("at",)
    list_filter = (
        RecentFilter,
        ("state", ChoicesDropdownFilter),
        TierFilter,
        ProviderFilter,
        FallbackFilter,
        StreamFilter,
        ("started_at", TimeRangeFilter),
    )
    list_filter_submit = True
    list_per_page = 50
    ordering = ("-id",)
    search_fields = ("key_label",)
    search_help_text = "Request id, or how a key begins"
    fields = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """See RequestList."""
        return RequestList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[RequestLog], search_term: str
    ) -> tuple[QuerySet[RequestLog], bool]:
        """An id finds its request, or the requests of its key; anything else is the beginning of a key's label."""
        if not search_term:
            return queryset, False
        try:
            wanted = UUID(search_term.strip())
        except ValueError:
            return queryset.filter(key_label__istartswith=search_term.strip()), False
        return queryset.filter(Q(id=wanted) | Q(key_id=wanted)), False

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list; an empty one says how to make a first request."""
        example = example_request("YOUR_KEY", site_address())
        page: HttpResponse = super().changelist_view(request, {**(extra_context or {}), "example": example})
        return page

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The page of one request."""
        row = kwargs.get("obj")
        if isinstance(row, RequestLog):
            context["page"] = request_page(row)
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return page

    @column("Time (UTC)", header=True)
    def at(self, row: RequestLog) -> tuple[str, str]:
        """To the second, and the day."""
        return f"{row.started_at:%H:%M:%S}", f"{row.started_at:%d %b %Y}"

    @column("Who", header=True)
    def who(self, row: RequestLog) -> tuple[str, str]:
        """The key, and for whom it asked."""
        return visible_line(row.key_label) or NOTHING, visible_line(row.end_user or row.client_address)

    @column("Asked", header=True)
    def asked(self, row: RequestLog) -> tuple[str, str]:
        """The model and the policy."""
        policy = f"policy {row.policy}" if row.policy else ""
        return visible_line(row.requested_model) or NOTHING, visible_line(policy)

    @column("Answered by", header=True)
    def answered_by(self, row: RequestLog) -> tuple[str, str]:
        """The upstream and its model."""
        upstream = f"{row.upstream} · {row.tier}" if row.upstream else NOTHING
        return visible_line(upstream), visible_line(row.upstream_model)

    @column("State", label=dict(BADGES))
    def how(self, row: RequestLog) -> tuple[str, str]:
        """A badge."""
        return row.state, row.get_state_display()

    @column("Fallback")
    def fallback(self, row: RequestLog) -> str:
        """The first reason, in plain words."""
        return row.fallback_reason.replace("_", " ") or NOTHING

    @column("Tokens, cost", header=True)
    def used(self, row: RequestLog) -> tuple[str, str]:
        """Tokens, estimated ones with a tilde, and dollars: unknown is not zero, and nothing was sent is neither."""
        about = "~" if row.estimated else ""
        tokens = f"{about}{row.total_tokens:,}" if row.total_tokens else NOTHING
        if row.cost_usd is not None:
            return tokens, f"{about if row.cost_usd else ''}{dollars(row.cost_usd)}"
        return tokens, "unknown" if row.attempt_count else ""

    @column("Took")
    def took(self, row: RequestLog) -> str:
        """The whole request."""
        return NOTHING if row.total_ms is None else duration(row.total_ms)


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    """Log rows that Postgres refused."""

    list_display = ("time", "id", "why")
    list_display_links = ("id",)
    ordering = ("-at",)
    fields = ("id", "time", "why", "refused")
    readonly_fields = ("time", "why", "refused")

    @column("Time (UTC)")
    def time(self, letter: DeadLetter) -> str:
        """To the second."""
        return f"{letter.at:%d %b %Y %H:%M:%S}"

    @column("Reason")
    def why(self, letter: DeadLetter) -> str:
        """What Postgres said."""
        return visible_line(letter.reason)

    @column("Row")
    def refused(self, letter: DeadLetter) -> str:
        """The row as JSON."""
        return visible_line(letter.row)


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """The processes that serve requests, as they last reported themselves."""

    list_display = ("name", "condition", "revision", "since", "seen", "started", "version", "pid")
    list_display_links = ("name",)

    @column("Worker")
    def name(self, worker: Worker) -> str:
        """Machine and number."""
        return visible_line(worker)

    @column("State", label={"ready": "success", "not ready": "warning", "silent": "danger"})
    def condition(self, worker: Worker) -> str:
        """A silent worker is presumed dead, whatever it said last."""
        if worker.silent(datetime.now(UTC)):
            return "silent"
        return "ready" if worker.ready else "not ready"

    @column("Serves it since")
    def since(self, worker: Worker) -> str:
        """When the worker took up its revision."""
        return ago(worker.revision_since)

    @column("Last heartbeat")
    def seen(self, worker: Worker) -> str:
        """How long ago it reported."""
        return ago(worker.heartbeat_at)

    @column("Started")
    def started(self, worker: Worker) -> str:
        """How long ago it started."""
        return ago(worker.started_at)


def ago(moment: datetime | None) -> str:
    """`3 s ago`, `12 min ago`, `5 h ago`, `9 days ago`."""
    if moment is None:
        return NOTHING
    seconds = max(0, int((datetime.now(UTC) - moment).total_seconds()))
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


from gateway import state_admin  # noqa: E402, F401  (more of this admin; it builds on the above)
