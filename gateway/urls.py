"""Path → consumer. Every /v1 path is served without the /v1 and with a trailing slash too, never by redirect."""

from typing import Any

from django.urls import re_path
from django.urls.resolvers import URLPattern

from gateway import consumers
from gateway.call import Receive, Send
from gateway.http import GatewayConsumer
from gateway.services import Services

VERSIONED: tuple[tuple[str, type[GatewayConsumer]], ...] = (
    ("chat/completions", consumers.ChatCompletions),
    ("completions", consumers.TextCompletions),
    ("embeddings", consumers.Embeddings),
    ("responses", consumers.Responses),
    ("messages", consumers.Messages),
    ("messages/count_tokens", consumers.CountTokens),
    ("models", consumers.Models),
    ("models/(?P<model>.+)", consumers.OneModel),
    ("model/info", consumers.ModelInfo),
    ("providers", consumers.Providers),
    ("auto/config", consumers.AutoConfig),
)
PLAIN: tuple[tuple[str, type[GatewayConsumer]], ...] = (
    ("", consumers.Root),
    ("health/?", consumers.Health),
    ("ready/?", consumers.Ready),
    ("metrics/?", consumers.Metrics),
)


def gateway_routes(services: Services) -> list[URLPattern]:
    """The gateway's paths; the busiest first."""
    versioned = [(rf"^(?:v1/)?{path}/?$", consumer) for path, consumer in VERSIONED]
    plain = [(rf"^{path}$", consumer) for path, consumer in PLAIN]
    return [re_path(pattern, consumer.as_asgi(services=services)) for pattern, consumer in versioned + plain]


def busiest_first(services: Services, others: Any) -> Any:
    """An application that finds the paths most requests go to by a look into a table, the `others` as it is told.

    Channels' router tries patterns and copies the scope, which costs as much as planning a request.
    """
    table: dict[str, Any] = {}
    for path, consumer in VERSIONED:
        if issubclass(consumer, consumers.ModelEndpoint):
            application = consumer.as_asgi(services=services)
            table |= {f"/v1/{path}": application, f"/{path}": application}

    async def route(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        await table.get(scope["path"], others)(scope, receive, send)

    return route


def unknown_path(services: Services) -> URLPattern:
    """The last route: 404 in the one error shape."""
    route: URLPattern = re_path(r"", consumers.UnknownPath.as_asgi(services=services))
    return route
