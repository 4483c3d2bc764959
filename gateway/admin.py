"""The request log, the refused rows and the workers in the admin: to read, never to change."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from accounts.actor import current_actor
from accounts.moments import moment_words
from accounts.site import example_request, site_address
from gateway.log_export import FORMS, Export
from gateway.log_filter import read_filter
from gateway.models import DeadLetter, RequestLog, Worker
from gateway.prompts.page import may_look, prompt_page
from gateway.request_list import beside, list_page, news
from gateway.request_page import request_page
from gateway.visible import visible_line

NOTHING = "–"
LIST_TEMPLATE = "admin/gateway/requestlog/change_list.html"
LIST_URL, PAGE_URL = "admin:gateway_requestlog_changelist", "admin:gateway_requestlog_change"
WAYS = {"older": "gateway_requestlog_older", "newer": "gateway_requestlog_newer"}
NEW_TEMPLATE = "admin/gateway/requestlog/new.html"
Column = TypeVar("Column", bound=Callable[..., Any])


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


@admin.register(RequestLog)
class RequestLogAdmin(ReadOnlyAdmin):
    """Every request, newest first; the page of one tells its story. The list is our own, see `request_list`."""

    fields = ()
    search_fields = ("key_label",)

    class Media:
        js = ("gateway/requests.js",)

    def get_urls(self) -> list[URLPattern]:
        """With the lines that come while one looks, the files to take away, and a request's prompt."""
        own = [
            path("new/", self.admin_site.admin_view(self.new_view), name="gateway_requestlog_new"),
            path(
                "<uuid:object_id>/prompt/",
                self.admin_site.admin_view(prompt_page),
                name="gateway_requestlog_prompt",
            ),
            *(
                path(
                    f"<uuid:object_id>/{way}/",
                    self.admin_site.admin_view(self.beside_view),
                    {"way": way},
                    way_name,
                )
                for way, way_name in WAYS.items()
            ),
            path("export/", self.admin_site.admin_view(self.export_view), name="gateway_requestlog_export"),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list; an empty one says how to make a first request. For htmx the lines alone."""
        self.require_view(request)
        context = {"page": list_page(request.GET), "opts": self.opts, "model_admin": self}
        context["example"] = example_request("YOUR_KEY", site_address())
        frame = {**self.admin_site.each_context(request), "title": "Requests"}
        return render(request, LIST_TEMPLATE, {**frame, **context, **(extra_context or {})})

    def new_view(self, request: HttpRequest) -> HttpResponse:
        """What came since the last look, for htmx."""
        self.require_view(request)
        wanted = read_filter(request.GET)
        return render(request, NEW_TEMPLATE, {"news": news(request.GET), "query": wanted.query()})

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """The filtered rows as a file, sent while they are read."""
        self.require_view(request)
        form = FORMS.get(request.GET.get("form", ""), FORMS["csv"])
        wanted = read_filter(request.GET)
        if wanted.problems:
            return HttpResponseBadRequest(" ".join(wanted.problems), content_type="text/plain; charset=utf-8")
        name = f"requests-{datetime.now(UTC):%Y%m%d-%H%M%S}.{form.name}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        text = Export(form, wanted, current_actor()).text()
        return StreamingHttpResponse(
            text, content_type=f"{form.content_type}; charset=utf-8", headers=headers
        )

    def beside_view(self, request: HttpRequest, object_id: UUID, way: str) -> HttpResponse:
        """To the next request of the filter; where there is none, to the list, which says so."""
        self.require_view(request)
        wanted, mark = read_filter(request.GET), "after" if way == "newer" else "before"
        found = beside(object_id, wanted, newer=way == "newer")
        if found is None:
            return redirect(f"{reverse(LIST_URL)}?{wanted.query(**{mark: str(object_id)})}")
        return redirect(f"{reverse(PAGE_URL, args=[found])}?{wanted.query()}")

    def require_view(self, request: HttpRequest) -> None:
        """Raises PermissionDenied for who may not read the log."""
        if not self.has_view_permission(request):
            raise PermissionDenied

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The page of one request, which keeps the filter that it was found by."""
        row = kwargs.get("obj")
        if isinstance(row, RequestLog):
            context["page"] = request_page(row)
            context["may_see_prompt"] = may_look(request, row.pk)
            context["query"] = read_filter(request.GET).query()
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return page


@admin.register(DeadLetter)
class DeadLetterAdmin(ReadOnlyAdmin):
    """Log rows that Postgres refused."""

    list_display = ("time", "id", "why")
    list_display_links = ("id",)
    ordering = ("-at",)
    fields = ("id", "time", "why", "refused")
    readonly_fields = ("time", "why", "refused")

    @column("Time")
    def time(self, letter: DeadLetter) -> str:
        """To the second."""
        return moment_words(letter.at)

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
