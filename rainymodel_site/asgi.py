"""The ASGI application: the gateway's paths go to its consumers, the pages to Django, the lifespan to the services."""

import asyncio
import atexit
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
from rainymodel_site.page_bodies import BoundedBodies  # noqa: E402
from rainymodel_site.playground.consumer import PlaygroundRun  # noqa: E402
from rainymodel_site.urls import PAGE_PREFIXES  # noqa: E402

STOP_SECONDS = 10.0
lifecycle = Lifecycle()
services = build_services(lifecycle)
bounded = BoundedBodies(pages)
playground_route = re_path(r"^playground/run$", PlaygroundRun(services, bounded))  # type: ignore[arg-type]  # as below
pages_route = re_path(rf"^(?:{PAGE_PREFIXES})(?:/|$)", bounded)  # type: ignore[arg-type]  # Channels routes to ASGI apps


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


def stop_at_exit() -> None:
    """Stop what a server without a lifespan (daphne) left running: its last log rows, its place in the list.

    At the process's end, after the server has ended its requests. Under the code reloader the loop still turns, in
    a thread of its own; without it the loop rests and is turned once more.
    """
    if not services.tasks or (loop := services.tasks[0].get_loop()).is_closed():
        return
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(services.stop(), loop).result(STOP_SECONDS)
    else:
        loop.run_until_complete(asyncio.wait_for(services.stop(), STOP_SECONDS))


async def refuse_websocket(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Close before the handshake, which the server turns into a 403; nothing here speaks WebSocket."""
    await receive()
    await send({"type": "websocket.close"})


paths = URLRouter([*gateway_routes(services), playground_route, pages_route, unknown_path(services)])
nothing = unknown_path(services).callback


async def by_path(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Route by the path as it is: Channels takes any number of leading slashes for one."""
    await (nothing if scope["path"].startswith("//") else paths)(scope, receive, send)


atexit.register(stop_at_exit)
application = ProtocolTypeRouter(
    {"http": busiest_first(services, by_path), "websocket": refuse_websocket, "lifespan": lifespan}
)
