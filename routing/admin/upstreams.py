"""The pages of providers and deployments."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from unfold.admin import TabularInline
from unfold.decorators import action, display

from routing.admin.forms import DeploymentForm, ProviderForm
from routing.admin.publishing import SwitchableAdmin, author_of
from routing.catalogue import plain, read_entry
from routing.engine.snapshot import CAPABILITIES
from routing.environment import Readiness, readiness
from routing.models import Deployment, Price, Provider, choices
from routing.provider_secrets import forget_secrets, secret_state, set_secret, surroundings_here

LIMITS = ("connect_limit", "first_content_limit", "idle_limit", "total_limit")


@admin.register(Provider)
class ProviderAdmin(SwitchableAdmin):
    """Upstream services, and whether this installation can call them."""

    form = ProviderForm
    list_display = ("slug", "enabled", "state", "why", "tiers", "address", "wire")
    list_filter = ("wire", "address_class", "enabled")
    search_fields = ("slug", "upstream", "base_url")
    readonly_fields = ("stored_secret", "readiness")
    actions_detail = actions_row = ("discover_models", "test_provider", "propose_prices")
    fieldsets = (
        (None, {"fields": ("slug", "upstream", "enabled", "readiness")}),
        ("Address", {"fields": ("wire", "litellm_prefix", "base_url", "address_class", "extra_headers")}),
        ("Credential", {"fields": ("credential_variable", "stored_secret", "secret", "forget_secret")}),
        ("Limits", {"fields": (*LIMITS, "concurrency_limit")}),
        ("Circuit breaker", {"fields": ("open_after", "open_for", "quota_window")}),
    )

    def has_discover_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """To look for models is for those who may add them."""
        return request.user.has_perm("routing.add_deployment")

    def has_propose_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """To look for prices is for those who may set them."""
        return request.user.has_perm("routing.add_price")

    def has_test_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A test costs tokens."""
        return request.user.has_perm("routing.change_deployment")

    @action(description="Discover models", icon="travel_explore", permissions=["discover"])
    def discover_models(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The page that asks the provider for its models."""
        return redirect("console:discover", get_object_or_404(Provider, pk=object_id).pk)

    @action(description="Test", icon="network_check", permissions=["test"])
    def test_provider(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The page that tries its first deployment."""
        return _console("test", provider=[get_object_or_404(Provider, pk=object_id).slug])

    @action(description="Propose prices", icon="price_change", permissions=["propose"])
    def propose_prices(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The page that compares its prices with the price file."""
        return _console("prices", provider=[get_object_or_404(Provider, pk=object_id).slug])

    def get_queryset(self, request: HttpRequest) -> QuerySet[Provider]:
        """With the tiers that the list names."""
        return super().get_queryset(request).prefetch_related("deployments__tier")

    def get_readonly_fields(self, request: HttpRequest, obj: Provider | None = None) -> tuple[str, ...]:
        """The slug names the provider in documents and secrets, so it stays."""
        return (*self.readonly_fields, "slug") if obj else self.readonly_fields

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Read the surroundings once for the whole list."""
        page = super().get_changelist_instance(request)
        surroundings = surroundings_here()
        for row in page.result_list:
            row.surroundings = surroundings
        return page

    def save_model(self, request: HttpRequest, obj: Provider, form: ProviderForm, change: bool) -> None:
        """Save, seal or forget the secret, and say when the provider still cannot be called."""
        super().save_model(request, obj, form, change)
        if form.cleaned_data["secret"]:
            set_secret(obj, form.cleaned_data["secret"], author_of(request))
        elif form.cleaned_data["forget_secret"]:
            forget_secrets(obj)
        state = readiness(read_entry(obj), surroundings_here())
        if state.unready == "no_credential":
            messages.warning(request, f"{obj.slug} is not called yet: {state.why}.")

    @display(
        description="State",
        label={
            "ready": "success",
            "disabled": "info",
            "no credential": "warning",
            "address refused": "warning",
            "wire unavailable": "warning",
        },
    )
    def state(self, obj: Provider) -> str:
        """Ready, or the reason word."""
        return (_readiness(obj).unready or "ready").replace("_", " ")

    @display(description="Why not")
    def why(self, obj: Provider) -> str:
        """What keeps it from being called."""
        found = _readiness(obj)
        return found.why if found.unready else ""

    @display(description="Readiness")
    def readiness(self, obj: Provider) -> str:
        """The same, on the provider's own page."""
        return _readiness(obj).why if obj.pk else "–"

    @display(description="Deployments")
    def tiers(self, obj: Provider) -> str:
        """How many deployments it has in each tier."""
        slugs = [deployment.tier.slug for deployment in obj.deployments.all()]
        return ", ".join(f"{slug} {slugs.count(slug)}" for slug in dict.fromkeys(slugs)) or "none"

    @display(description="Address", label={"plaintext": "danger", "private": "info", "public": "success"})
    def address(self, obj: Provider) -> str:
        """A red mark where credentials and prompts travel unencrypted."""
        return obj.address_class

    @display(description="Stored secret")
    def stored_secret(self, obj: Provider) -> str:
        """When and by whom it was set, and how it ends: never more."""
        state = secret_state(obj, surroundings_here()) if obj.pk else None
        if state is None:
            return "not set"
        ending = f", ends in …{state.last_four}" if state.last_four else ""
        told = f"set on {date_format(timezone.localtime(state.set_at), 'DATETIME_FORMAT')} by {state.set_by}{ending}"
        return told if state.opens else f"{told}. It does not open: enter it again."


def _readiness(provider: Provider) -> Readiness:
    """With the surroundings that the list has read once, else with fresh ones."""
    return readiness(read_entry(provider), getattr(provider, "surroundings", None) or surroundings_here())


def _console(page: str, **asked: list[str]) -> HttpResponse:
    """On to a page of the console, about these rows."""
    query = QueryDict(mutable=True)
    for name, values in asked.items():
        query.setlist(name, values)
    return redirect(f"{reverse(f'console:{page}')}?{query.urlencode()}")


class PriceInline(TabularInline):
    """What the deployment costs, from each moment on."""

    model = Price
    extra = 0
    hide_title = True


class CapabilityFilter(admin.SimpleListFilter):
    """Deployments that can do one thing."""

    title = "capability"
    parameter_name = "capability"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """All capabilities there are."""
        return choices(CAPABILITIES)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> QuerySet[Deployment]:
        """Those that have the chosen one."""
        return (
            queryset.filter(capabilities__contains=[self.value()])
            if self.value() in CAPABILITIES
            else queryset
        )


@admin.register(Deployment)
class DeploymentAdmin(SwitchableAdmin):
    """Models at providers."""

    form = DeploymentForm
    inlines = (PriceInline,)
    list_display = ("slug", "enabled", "tier", "price", "window", "able_to", "quality")
    list_filter = ("provider", "tier", "enabled", CapabilityFilter)
    list_select_related = ("provider", "tier")
    search_fields = ("slug", "model", "provider__slug", "provider__upstream")
    actions = (*SwitchableAdmin.actions, "test_selected", "propose_for_selected")
    actions_list = ("propose_all_prices",)
    actions_detail = actions_row = ("test_deployment",)
    fieldsets = (
        (None, {"fields": ("provider", "model", "tier", "slug", "enabled")}),
        (
            "What it can do",
            {"fields": ("capabilities", "dialects", "context_window", "output_limit", "quality", "source")},
        ),
        ("Parameters", {"fields": ("parameter_policy",)}),
        ("Own limits", {"fields": LIMITS[1:]}),
    )

    def has_propose_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """To look for prices is for those who may set them."""
        return request.user.has_perm("routing.add_price")

    @admin.action(description="Test the selected", permissions=["change"])
    def test_selected(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> HttpResponse:
        """The page that tries each of them."""
        return _console("test", deployment=list(queryset.values_list("slug", flat=True)))

    @admin.action(description="Propose prices for the selected", permissions=["propose"])
    def propose_for_selected(self, request: HttpRequest, queryset: QuerySet[Deployment]) -> HttpResponse:
        """The page that compares their prices with the price file."""
        return _console("prices", deployment=list(queryset.values_list("slug", flat=True)))

    @action(description="Propose prices", icon="price_change", permissions=["propose"])
    def propose_all_prices(self, request: HttpRequest) -> HttpResponse:
        """The same for every deployment."""
        return redirect("console:prices")

    @action(description="Test", icon="network_check", permissions=["change"])
    def test_deployment(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The page that tries it."""
        return _console("test", deployment=[get_object_or_404(Deployment, pk=object_id).slug])

    def get_queryset(self, request: HttpRequest) -> QuerySet[Deployment]:
        """With the prices that the list shows."""
        return super().get_queryset(request).prefetch_related("prices")

    @display(description="Window", ordering="context_window")
    def window(self, obj: Deployment) -> str:
        """In tokens."""
        return "unknown" if obj.context_window is None else f"{obj.context_window:,}"

    @display(description="USD per million, in / out")
    def price(self, obj: Deployment) -> str:
        """The price in force now."""
        now = timezone.now()
        current = [price for price in obj.prices.all() if price.starts <= now]
        if not current or current[-1].input is None or current[-1].output is None:
            return "unknown"
        return f"{plain(current[-1].input)} / {plain(current[-1].output)}"

    @display(description="Capabilities")
    def able_to(self, obj: Deployment) -> str:
        """In words."""
        return ", ".join(obj.capabilities)
