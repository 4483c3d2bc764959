"""How the console reaches out: the worker's own wires where there is a worker, else ones for the moment."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from gateway.upstream.sessions import Sessions
from gateway.upstream.wire import Wire
from rainymodel_site.composition import address_rules, build_wires, serving
from routing.engine.snapshot import Deployment


@asynccontextmanager
async def wires_here() -> AsyncIterator[Mapping[str, Wire]]:
    """The wires to call upstreams with, in the running loop."""
    services = serving()
    # A wire's connections belong to the loop that the services run in.
    if services is not None and services.tasks and services.tasks[0].get_loop() is asyncio.get_running_loop():
        yield services.wires
        return
    own = build_wires()
    try:
        yield own
    finally:
        for wire in own.values():
            await wire.close()


def forget_troubles(deployment: Deployment) -> None:
    """Tell the worker in this process, where there is one, that the deployment answers: its holds end."""
    services = serving()
    if services is not None and services.tasks:
        # What a worker knows of its upstreams is changed in its own loop alone.
        services.tasks[0].get_loop().call_soon_threadsafe(services.live.clear, deployment)


@asynccontextmanager
async def sessions_here() -> AsyncIterator[Sessions]:
    """Guarded connections for listings, closed at the end."""
    sessions = Sessions(address_rules())
    try:
        yield sessions
    finally:
        await sessions.close()
