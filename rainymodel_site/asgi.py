"""The ASGI application: the gateway's paths go to its consumers, the pages to Django, the lifespan to the services."""

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rainymodel_site.settings")

from django.core.asgi import get_asgi_application

pages = get_asgi_application()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402  (needs the app registry)
from django.urls import re_path  # noqa: E402

from gateway.lifecycle import Lifecycle  # noqa: E402
from gateway.urls import busiest_first, gateway_routes, unknown_path  # noqa: E402
from rainymodel_site.composition import build_services  # noqa: E402
from rainymodel_site.urls import PAGE_PREFIXES  # noqa: E402

lifecycle = Lifecycle()
services = build_services(lifecycle)
pages_route = re_path(rf"^(?:{PAGE_PREFIXES})(?:/|$)", pages)  # type: ignore[arg-type]  # Channels routes to ASGI apps


async def lifespan(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Start the services before the first request, flush and close them after the last."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await services.started()
            await send({"type": "lifespan.startup.complete"})
        else:
            await services.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return


paths = URLRouter([*gateway_routes(services), pages_route, unknown_path(services)])
application = ProtocolTypeRouter({"http": busiest_first(services, paths), "lifespan": lifespan})
