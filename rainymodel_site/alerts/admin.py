"""The pages of rules and channels: what is watched, what fires now, where messages go, and how sending went."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Count, Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_POST
from unfold.admin import ModelAdmin
from unfold.decorators import display

from accounts.text import visible
from rainymodel_site.alert_models import AlertChannel, AlertRule
from rainymodel_site.alerts.forms import AlertChannelForm, AlertRuleForm
from rainymodel_site.alerts.judging import plain
from rainymodel_site.alerts.testing import try_channels
from rainymodel_site.audit import append

SHOWN = 10  # messages on a page


class TriedAdmin(ModelAdmin):
    """A page with a button that sends a test."""

    list_before_template = "alerts/list_top.html"
    change_form_outer_before_template = "alerts/standing.html"

    class Media:
        css = {"all": ("rainymodel/console.css", "rainymodel/alerts.css")}

    def get_urls(self) -> list[URLPattern]:
        """With the address of the button."""
        name = f"rainymodel_site_{self.opts.model_name}_test"
        own = [path("<path:object_id>/test/", self.admin_site.admin_view(self.send_test), name=name)]
        return [*own, *super().get_urls()]

    @method_decorator(require_POST)
    def send_test(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Send a test to the row's channels, and say how it went on the row's page."""
        row = self.get_object(request, object_id)
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        channels = [row] if isinstance(row, AlertChannel) else list(row.channels.all())
        return try_channels(request, row, channels)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """With how it stands, above the form."""
        row = self.get_object(request, object_id)
        messages = row.messages.select_related("channel", "rule").order_by("-id")[:SHOWN] if row else []
        own = {"row": row, "sent": messages, "may_test": self.has_change_permission(request, row)}
        own["test_url"] = f"admin:rainymodel_site_{self.opts.model_name}_test"
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **own})


class AlertRuleAdmin(TriedAdmin):
    """When operators want to be told."""

    form = AlertRuleForm
    list_display = ("name", "state", "kind", "fires_from", "about", "goes_to")
    list_filter = ("kind", "enabled")
    search_fields = ("name", "scope_name")
    list_disable_select_all = True
    fieldsets = (
        (None, {"fields": (("name", "enabled"), "kind", "threshold", ("minutes", "least_requests"))}),
        ("Only about", {"fields": (("scope", "scope_name"),)}),
        ("Messages", {"fields": ("channels", "remind_hours")}),
        ("Quiet hours", {"fields": (("quiet_from", "quiet_to"), "time_zone")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertRule]:
        """With what the list tells of each."""
        firing = Count("firings", filter=Q(firings__ended_at=None), distinct=True)
        channels = Prefetch("channels", AlertChannel.objects.order_by("name"))
        return super().get_queryset(request).annotate(firing=firing).prefetch_related(channels)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """The channels of a rule are rows of their own, which the audit does not watch."""
        before = names(form.instance)
        super().save_related(request, form, formsets, change)
        if (after := names(form.instance)) != before:
            append("changed", form.instance, {"channels": (before or None, after or None)})

    @display(
        description="State",
        label={"firing": "danger", "fine": "success", "off": "info", "not looked at yet": "warning"},
    )
    def state(self, rule: AlertRule) -> str:
        """Whether it fires now."""
        if not rule.enabled:
            return "off"
        if rule.firing:  # type: ignore[attr-defined]  # annotated above
            return "firing"
        return "fine" if rule.looked_at else "not looked at yet"

    @display(description="Fires from")
    def fires_from(self, rule: AlertRule) -> str:
        """The threshold with its unit."""
        if rule.threshold is None:
            return "–"
        number = plain(rule.threshold)
        return f"{number} %" if rule.kind in AlertRule.PERCENT else f"${number}"

    @display(description="About")
    def about(self, rule: AlertRule) -> str:
        """What it is limited to."""
        return visible(f"{rule.get_scope_display()} {rule.scope_name}") if rule.scope else "everything"

    @display(description="Channels")
    def goes_to(self, rule: AlertRule) -> str:
        """Where its messages go."""
        return names(rule) or "none: nobody is told"


class AlertChannelAdmin(TriedAdmin):
    """Where messages go."""

    form = AlertChannelForm
    list_display = ("name", "state", "kind", "where", "last_error")
    list_filter = ("kind", "enabled")
    search_fields = ("name", "host")
    list_disable_select_all = True
    readonly_fields = ("where",)
    fieldsets = (
        (None, {"fields": (("name", "enabled"), "kind", "where")}),
        ("Webhook", {"fields": ("address",)}),
        ("E-mail", {"fields": ("recipients",)}),
    )

    @display(
        description="State",
        label={"works": "success", "failing": "danger", "off": "info", "not used yet": "warning"},
    )
    def state(self, channel: AlertChannel) -> str:
        """How the last message went."""
        if not channel.enabled:
            return "off"
        if channel.last_error:
            return "failing"
        return "works" if channel.last_sent_at else "not used yet"

    @display(description="Goes to")
    def where(self, channel: AlertChannel) -> str:
        """The recipients, or the host of the address: never more of it."""
        if channel.kind == AlertChannel.Kind.EMAIL:
            return visible(channel.recipients)
        return channel.host or "no address yet"


def names(rule: AlertRule) -> str:
    """The rule's channels."""
    return visible(", ".join(sorted(channel.name for channel in rule.channels.all())))
