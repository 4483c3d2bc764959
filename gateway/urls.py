"""Path → consumer. Every /v1 path is served without the /v1 and with a trailing slash too, never by redirect."""

from django.urls import re_path
from django.urls.resolvers import URLPattern

from gateway import consumers
from gateway.http import GatewayConsumer
from gateway.services import Services

VERSIONED: tuple[tuple[str, type[GatewayConsumer]], ...] = (
    ("chat/completions", consumers.ChatCompletions),
    ("models", consumers.Models),
    ("models/(?P<model>.+)", consumers.OneModel),
    ("providers", consumers.Providers),
    ("auto/config", consumers.AutoConfig),
)
PLAIN: tuple[tuple[str, type[GatewayConsumer]], ...] = (
    ("", consumers.Root),
    ("health/?", consumers.Health),
    ("ready/?", consumers.Ready),
)


def gateway_routes(services: Services) -> list[URLPattern]:
    """The gateway's paths; the busiest first."""
    versioned = [(rf"^(?:v1/)?{path}/?$", consumer) for path, consumer in VERSIONED]
    plain = [(rf"^{path}$", consumer) for path, consumer in PLAIN]
    return [re_path(pattern, consumer.as_asgi(services=services)) for pattern, consumer in versioned + plain]


def unknown_path(services: Services) -> URLPattern:
    """The last route: 404 in the one error shape."""
    route: URLPattern = re_path(r"", consumers.UnknownPath.as_asgi(services=services))
    return route
