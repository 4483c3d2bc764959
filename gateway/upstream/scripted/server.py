"""Starts and stops a scripted upstream: in the running loop, or on a loop of its own in a thread."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from ssl import SSLContext

from gateway.upstream.scripted.connection import Connection
from gateway.upstream.scripted.endpoints import Stage
from gateway.upstream.scripted.ledger import Ledger

BACKLOG = 4096
MODELS = ("gpt-4o-mini", "gpt-4o")


class ScriptedUpstream:
    """A listening upstream. Its `ledger` tells what it saw; `play` makes a model name play a scenario."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None
        self._scheme = "http"
        self.host = ""
        self.port = 0

    @classmethod
    async def start(
        cls,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        name: str = "fake",
        models: tuple[str, ...] = MODELS,
        tls: SSLContext | None = None,
    ) -> "ScriptedUpstream":
        """Listen in the running loop; port 0 takes a free one. Raises OSError when the port is taken."""
        upstream = cls(Stage(name, tuple(models)))
        loop = asyncio.get_running_loop()
        server = await loop.create_server(upstream._connect, host, port, backlog=BACKLOG, ssl=tls)
        upstream._server = server
        upstream._scheme = "https" if tls else "http"
        upstream.host, upstream.port = server.sockets[0].getsockname()[:2]
        return upstream

    def _connect(self) -> Connection:
        return Connection(self._stage, self._connections)

    @property
    def name(self) -> str:
        return self._stage.name

    @property
    def models(self) -> tuple[str, ...]:
        return self._stage.models

    @property
    def base_url(self) -> str:
        return f"{self._scheme}://{self.host}:{self.port}/v1"

    @property
    def ledger(self) -> Ledger:
        return self._stage.ledger

    def play(self, model: str, scenario: str | None) -> None:
        """From the next request on, this model name plays that scenario; None gives its own meaning back."""
        if scenario is None:
            self._stage.plays.pop(model, None)
        else:
            self._stage.plays[model] = scenario

    async def stop(self) -> None:
        """Stop listening and drop every open connection. Stopping twice is harmless."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for connection in tuple(self._connections):
            connection.transport.abort()
        while self._connections:
            await asyncio.sleep(0)
        await server.wait_closed()


@contextmanager
def scripted_upstream(
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    name: str = "fake",
    models: tuple[str, ...] = MODELS,
    tls: SSLContext | None = None,
) -> Iterator[ScriptedUpstream]:
    """A scripted upstream for synchronous tests: it serves from a thread until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name=f"upstream-{name}", daemon=True)
    thread.start()
    try:
        starting = ScriptedUpstream.start(host, port, name=name, models=models, tls=tls)
        upstream = asyncio.run_coroutine_threadsafe(starting, loop).result()
        try:
            yield upstream
        finally:
            asyncio.run_coroutine_threadsafe(upstream.stop(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
