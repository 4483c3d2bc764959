"""How the admin looks: its name, its colour, and the sidebar in the order of an operator's work."""

from typing import Any

from django.http import HttpRequest

TEST_PAGE = "/admin/console/test/"
# Blue, as the mark and the sign-in pages are; oklch as the theme has it, lightest first.
PRIMARY = (
    (50, "97% .014 254.6"),
    (100, "93.2% .032 255.6"),
    (200, "88.2% .059 254.1"),
    (300, "80.9% .105 251.8"),
    (400, "70.7% .150 253.0"),
    (500, "62.3% .170 254.0"),
    (600, "53.0% .160 255.0"),
    (700, "46.5% .145 255.5"),
    (800, "40.0% .120 256.0"),
    (900, "35.0% .095 257.0"),
    (950, "26.0% .065 259.0"),
)


def on_overview(request: HttpRequest) -> bool:
    """Whether this is the first page; every other page lies below it."""
    return request.path == "/admin/"


def on_providers(request: HttpRequest) -> bool:
    """Whether a page belongs to the providers: their own, and what the console does for one of them."""
    own = ("/admin/routing/provider/", "/admin/console/discover/")
    return request.path.startswith(own) or (request.path == TEST_PAGE and "provider" in request.GET)


def on_deployments(request: HttpRequest) -> bool:
    """Whether a page belongs to the deployments: their own, and what the console does for some of them."""
    own = ("/admin/routing/deployment/", "/admin/console/prices/")
    return request.path.startswith(own) or (request.path == TEST_PAGE and "provider" not in request.GET)


def on_upstreams(request: HttpRequest) -> bool:
    """Whether a page shows how upstreams stand, or orders something of them."""
    return request.path.startswith("/admin/console/upstreams/")


def on_alerts(request: HttpRequest) -> bool:
    """Whether a page is about rules of alerts, or about where their messages go."""
    return request.path.startswith("/admin/rainymodel_site/alert")


def on_draft(request: HttpRequest) -> bool:
    """Whether a page is about the draft as a whole."""
    return request.path.startswith("/admin/console/draft/")


def draft_differs(request: HttpRequest) -> bool:
    """Whether there is anything that nobody has published; looked up once for a page."""
    # Django's models come after the settings, which this module belongs to.
    from rainymodel_site.console.change.mark import has_unpublished

    if not request.user.has_perm("routing.view_cataloguerevision"):
        return False
    known: bool | None = getattr(request, "_draft_differs", None)
    if known is None:
        known = request._draft_differs = has_unpublished()  # type: ignore[attr-defined]
    return known


def draft_equals(request: HttpRequest) -> bool:
    """The opposite of `draft_differs`: the sidebar shows one entry or the other."""
    return not draft_differs(request)


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "RainyModel",
    "SITE_HEADER": "RainyModel",
    "SITE_SUBHEADER": "LLM gateway",
    "SITE_SYMBOL": "rainy",
    "COLORS": {"primary": {str(shade): f"oklch({value})" for shade, value in PRIMARY}},
    "SITE_URL": "/",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/rainymodel/mark.svg"}],
    "STYLES": ["/static/rainymodel/admin.css"],
    "SCRIPTS": ["/static/rainymodel/zone.js"],
    "DASHBOARD_CALLBACK": "rainymodel_site.overview.page.dashboard",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "SIDEBAR": {
        "show_search": True,
        "navigation": [
            {
                "items": [
                    {
                        "title": "Overview",
                        "icon": "space_dashboard",
                        "link": "/admin/",
                        "active": on_overview,
                    }
                ]
            },
            {
                "title": "Catalogue",
                "items": [
                    {"title": "Aliases", "icon": "alt_route", "link": "/admin/routing/alias/"},
                    {
                        "title": "Deployments",
                        "icon": "deployed_code",
                        "link": "/admin/routing/deployment/",
                        "active": on_deployments,
                    },
                    {
                        "title": "Providers",
                        "icon": "cloud",
                        "link": "/admin/routing/provider/",
                        "active": on_providers,
                    },
                    {"title": "Policies", "icon": "rule", "link": "/admin/routing/tierpolicy/"},
                    {"title": "Tiers", "icon": "stairs", "link": "/admin/routing/tier/"},
                    {
                        "title": "Draft",
                        "icon": "difference",
                        "link": "/admin/console/draft/",
                        "active": on_draft,
                        "permission": draft_equals,
                    },
                    {
                        "title": "Draft",
                        "icon": "difference",
                        "link": "/admin/console/draft/",
                        "active": on_draft,
                        "badge": "not published",
                        "badge_variant": "warning",
                        "permission": draft_differs,
                    },
                    {"title": "Revisions", "icon": "history", "link": "/admin/routing/cataloguerevision/"},
                ],
            },
            {
                "title": "Traffic",
                "items": [
                    {"title": "Requests", "icon": "receipt_long", "link": "/admin/gateway/requestlog/"},
                    {"title": "Health", "icon": "monitor_heart", "link": "/admin/console/health/"},
                    {
                        "title": "Upstreams",
                        "icon": "electrical_services",
                        "link": "/admin/console/upstreams/",
                        "active": on_upstreams,
                    },
                    {
                        "title": "Alerts",
                        "icon": "notifications",
                        "link": "/admin/rainymodel_site/alertrule/",
                        "active": on_alerts,
                    },
                    {"title": "Explain", "icon": "help", "link": "/admin/console/explain/"},
                    {"title": "What if", "icon": "fork_right", "link": "/admin/console/what-if/"},
                    {"title": "Workers", "icon": "dns", "link": "/admin/gateway/worker/"},
                    {
                        "title": "Refused rows",
                        "icon": "playlist_remove",
                        "link": "/admin/gateway/deadletter/",
                    },
                ],
            },
            {
                "title": "People",
                "items": [
                    {"title": "API keys", "icon": "key", "link": "/admin/accounts/apikey/"},
                    {"title": "Users", "icon": "group", "link": "/admin/accounts/user/"},
                    {"title": "Ceilings", "icon": "savings", "link": "/admin/accounts/ceiling/"},
                    {"title": "Audit", "icon": "fact_check", "link": "/admin/accounts/auditentry/"},
                ],
            },
            {
                "title": "Yours",
                "items": [
                    {"title": "My keys", "icon": "vpn_key", "link": "/keys/"},
                    {"title": "My usage", "icon": "monitoring", "link": "/usage/"},
                    {"title": "Playground", "icon": "science", "link": "/playground/"},
                ],
            },
        ],
    },
}
