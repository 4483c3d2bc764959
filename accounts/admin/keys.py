"""API keys in the admin: made here, shown once, revoked for good."""

import uuid
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import DropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display

from accounts.admin.forms import ApiKeyForm
from accounts.issue import give_secret, revoke_keys
from accounts.models import ApiKey, User
from accounts.site import example_request

LIMIT_FIELDS = (
    ("requests_per_minute", "tokens_per_minute"),
    "concurrent_requests",
    ("usd_per_day", "usd_per_month"),
)
STATES = {"active": "success", "paused": "warning", "expired": "warning", "revoked": "danger"}


class StateFilter(DropdownFilter):
    """Keys by whether they work."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The states that a query can tell apart."""
        return [("open", "open"), ("expired", "expired"), ("revoked", "revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        """The keys in the chosen state."""
        is_past = Q(expires_at__lte=timezone.now())
        chosen = {
            "open": Q(revoked_at=None) & ~is_past,
            "expired": Q(revoked_at=None) & is_past,
            "revoked": Q(revoked_at__isnull=False),
        }
        return queryset.filter(chosen.get(self.value() or "", Q()))


class UnusedFilter(DropdownFilter):
    """Open keys that nobody has used for long; what was made lately is not among them."""

    title = "not used for"
    parameter_name = "unused"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """So many days."""
        return [("30", "30 days"), ("90", "90 days"), ("365", "a year")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> QuerySet[ApiKey]:
        """The keys last used, or made and never used, before then."""
        if self.value() not in dict(self.lookups(request, None)):
            return queryset
        now = timezone.now()
        then = now - timedelta(days=int(self.value()))
        unused = Q(last_used_at__lt=then) | Q(last_used_at=None, created_at__lt=then)
        return queryset.filter(unused, revoked_at=None).exclude(expires_at__lte=now)


class ApiKeyAdmin(ModelAdmin):
    """A key's text appears once, on the page that answers its creation."""

    form = ApiKeyForm
    list_display = ("label", "owner", "key", "state_label", "last_used_at", "created_at")
    list_filter = (StateFilter, UnusedFilter, ("owner", RelatedDropdownFilter))
    list_filter_submit = True
    list_select_related = ("owner",)
    search_fields = ("label", "kid", "last_four", "owner__username", "owner__email")
    actions = ("revoke_selected",)
    actions_detail = ("end_users_of_this", "roll_this", "revoke_this")
    change_form_before_template = "accounts/key_form_top.html"
    fieldsets = (
        (None, {"fields": (("label", "owner"), "expires_at")}),
        ("What it may use", {"fields": ("aliases", "policies", ("highest_tier", "direct_calls"))}),
        ("How much", {"fields": (*LIMIT_FIELDS, "max_body_mb")}),
        ("From where", {"fields": ("networks",)}),
        ("What is kept", {"fields": ("store_prompts",)}),
    )
    readonly_fields = ("key", "state_label", "created_at", "last_used_at", "revoked_at", "exposed_at")

    def get_fieldsets(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        """A key that exists also says what became of it."""
        if obj is None:
            return self.fieldsets
        history = ("key", "state_label"), ("created_at", "last_used_at"), ("revoked_at", "exposed_at")
        return (("Key", {"fields": history}), *self.fieldsets)

    def get_readonly_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> tuple[str, ...]:
        """A key keeps its owner: the log and the audit name them together."""
        return self.readonly_fields if obj is None else (*self.readonly_fields, "owner")

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Only people who may call can own a new key."""
        if db_field.name == "owner":
            kwargs["queryset"] = User.objects.filter(is_active=True).order_by("username")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @display(description="Key")
    def key(self, row: ApiKey) -> str:
        """What of the key may be seen."""
        return f"sk-rm_{row.kid}_…{row.last_four}"

    @display(description="State", label=STATES)
    def state_label(self, row: ApiKey) -> str:
        """Whether it works."""
        return row.state

    def get_urls(self) -> list[URLPattern]:
        """The page that asks before keys are revoked comes before the pages of single keys."""
        revoke = path("revoke/", self.admin_site.admin_view(self.revoke_view), name="accounts_apikey_revoke")
        return [revoke, *super().get_urls()]

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Sending the same form twice, by a reload or a double click, makes one key."""
        creation = creation_of(request)
        context = {"creation": creation, "show_save_and_add_another": False, "show_save_and_continue": False}
        try:
            if ApiKey.objects.filter(pk=creation).exists():
                return self.already_made(request, creation)
            return super().add_view(request, form_url, {**(extra_context or {}), **context})
        except IntegrityError:
            return self.already_made(request, creation)

    def already_made(self, request: HttpRequest, creation: uuid.UUID) -> HttpResponse:
        """The form was sent before: to the key's page, which does not hold its text."""
        messages.warning(
            request,
            "This form has made its key already. A key is shown once; if you missed it, revoke it and make another.",
        )
        return redirect("admin:accounts_apikey_change", creation)

    def save_model(self, request: HttpRequest, obj: ApiKey, form: ApiKeyForm, change: bool) -> None:
        """A new key gets its secret; of a known one only what was edited is written."""
        if change:
            obj.save(update_fields=[name for name in form.changed_data if name in form.cleaned_data])
            return
        obj.pk = creation_of(request)
        request.new_key = give_secret(obj)  # type: ignore[attr-defined]
        obj.save(force_insert=True)

    def response_add(
        self, request: HttpRequest, obj: ApiKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The one page that shows the key."""
        text = request.new_key.text  # type: ignore[attr-defined]
        context = {
            **self.admin_site.each_context(request),
            "title": "API key created",
            "opts": self.opts,
            "row": obj,
            "key": text,
            "request_line": example_request(text, request.build_absolute_uri("/").rstrip("/")),
        }
        return TemplateResponse(request, "accounts/key_created.html", context)

    @action(description="Revoke selected keys", permissions=["change"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> HttpResponse | None:
        """Ask first: a revoked key stays revoked."""
        return self.ask_before_revoking(request, queryset)

    @action(description="End users", permissions=["view"], url_path="end-users")
    def end_users_of_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """For whom a program used it."""
        return redirect("keys:end_users", object_id)

    @action(description="Roll", permissions=["revoke"], url_path="roll")
    def roll_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """A new secret with the same limits; the page is the one that owners use."""
        return redirect("keys:roll", object_id)

    @action(description="Revoke", permissions=["revoke"], url_path="revoke", attrs={"class": "text-red-700"})
    def revoke_this(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask first, about this one."""
        return redirect(f"{reverse('admin:accounts_apikey_revoke')}?id={object_id}")

    def has_revoke_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """An open key, and the right to change keys."""
        ids = read_ids([str(object_id)])
        is_open = object_id is None or self.get_queryset(request).filter(pk__in=ids, revoked_at=None).exists()
        return is_open and super().has_change_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        """A revoked key is only to look at."""
        return super().has_change_permission(request, obj) and (obj is None or obj.revoked_at is None)

    def has_delete_permission(self, request: HttpRequest, obj: ApiKey | None = None) -> bool:
        """Keys are revoked, not deleted: the request log names them."""
        return False

    def revoke_view(self, request: HttpRequest) -> HttpResponse:
        """GET asks, POST revokes."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        ids = read_ids(request.POST.getlist("id") if request.method == "POST" else request.GET.getlist("id"))
        if request.method != "POST":
            return self.ask_before_revoking(request, self.get_queryset(request).filter(pk__in=ids))
        revoked = revoke_keys(ids)
        messages.success(
            request,
            f"Revoked: {', '.join(row.label for row in revoked) or 'nothing'}. Gateways refuse it within 2 s.",
        )
        return redirect("admin:accounts_apikey_changelist")

    def ask_before_revoking(self, request: HttpRequest, rows: QuerySet[ApiKey]) -> HttpResponse:
        """The page with the button; straight back when there is nothing to revoke."""
        open_rows = list(rows.filter(revoked_at=None).select_related("owner"))
        if not open_rows:
            messages.warning(request, "These keys are revoked already.")
            return redirect("admin:accounts_apikey_changelist")
        title = "Revoke this key?" if len(open_rows) == 1 else f"Revoke {len(open_rows)} keys?"
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "rows": open_rows,
        }
        return TemplateResponse(request, "accounts/key_revoke.html", context)


def creation_of(request: HttpRequest) -> uuid.UUID:
    """The id that this form's key gets; chosen when the form is first shown."""
    return next(iter(read_ids([request.POST.get("creation", "")])), uuid.uuid4())


def read_ids(texts: list[str]) -> list[uuid.UUID]:
    """The texts that are ids."""
    ids = []
    for text in texts:
        try:
            ids.append(uuid.UUID(text))
        except ValueError:
            continue
    return ids
