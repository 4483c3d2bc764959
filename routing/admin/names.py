"""The pages of aliases, policies and tiers: under which names models are called, and in which order."""

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from routing.admin.forms import OrderedInline
from routing.admin.publishing import CatalogueAdmin, SwitchableAdmin
from routing.models import Alias, PolicyStep, Route, Tier, TierPolicy


class RouteInline(OrderedInline):
    """Where the alias leads, first to last."""

    model = Route
    fields = ("deployment", "weight", "enabled", "position")
    autocomplete_fields = ("deployment",)


@admin.register(Alias)
class AliasAdmin(SwitchableAdmin):
    """Model names that clients ask for."""

    inlines = (RouteInline,)
    list_display = ("name", "enabled", "description", "policy", "route_count", "listed")
    list_filter = ("policy", "listed", "enabled")
    list_select_related = ("policy",)
    search_fields = ("name", "description")
    autocomplete_fields = ("standard_target", "mini_target")
    fieldsets = (
        (None, {"fields": ("name", "description", "policy", "listed", "enabled")}),
        ("Deadlines", {"classes": ("tab",), "fields": ("first_content_deadline", "total_deadline")}),
        ("Targets", {"classes": ("tab",), "fields": ("mode", "standard_target", "mini_target")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Alias]:
        """With the number of routes."""
        return super().get_queryset(request).annotate(routes_there=Count("routes"))

    @display(description="Routes", ordering="routes_there")
    def route_count(self, obj: Alias) -> int:
        """How many routes it has."""
        return obj.routes_there  # type: ignore[attr-defined]


class StepInline(OrderedInline):
    """The tiers of a policy, first to last."""

    model = PolicyStep
    fields = ("tier", "strategy", "position")


@admin.register(TierPolicy)
class TierPolicyAdmin(CatalogueAdmin):
    """Orders of tiers."""

    inlines = (StepInline,)
    list_display = ("name", "description", "order", "price_ceiling")
    search_fields = ("name", "description")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TierPolicy]:
        """With the steps that the list shows."""
        return super().get_queryset(request).prefetch_related("steps__tier")

    @display(description="Order")
    def order(self, obj: TierPolicy) -> str:
        """The steps as an arrow chain; a policy without steps follows the routes."""
        steps = (
            step.tier.slug + ("" if step.strategy == "listed" else f" ({step.strategy})")
            for step in obj.steps.all()
        )
        return " → ".join(steps) or "as the routes are listed"


@admin.register(Tier)
class TierAdmin(CatalogueAdmin):
    """Classes of cost and trust."""

    list_display = ("slug", "name", "billing", "rank")
    search_fields = ("slug", "name")

    def get_readonly_fields(self, request: HttpRequest, obj: Tier | None = None) -> tuple[str, ...]:
        """The slug is what API keys and headers name, so it stays."""
        return ("slug",) if obj else ()
