"""One worker process: `python -m rainymodel_site.worker --fd N --channel M --number I`, started by the supervisor."""

import argparse
import asyncio
import gc
import importlib
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn

from gateway.lifecycle import Lifecycle
from gateway.watchdog import Watchdog
from rainymodel_site import env, logs
from rainymodel_site.door import Door
from rainymodel_site.listening import BACKLOG
from rainymodel_site.log_output import STANDARD_ERROR
from rainymodel_site.protocol import CarefulProtocol
from rainymodel_site.timing import LAST_WORDS, StopTiming, read_stop_timing
from rainymodel_site.workers import READY, UNCONFIGURED

APPLICATION = "rainymodel_site.asgi:application"
KEEP_ALIVE = 75  # seconds; longer than the 60 after which common proxies drop their side
POLL = 0.05


class WorkerServer(uvicorn.Server):
    """uvicorn on a shared socket. A signal, or the supervisor's end, lets running requests finish first."""

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        lifecycle: Lifecycle,
        timing: StopTiming,
        channel: socket.socket | None,
        stall_limit: float = 0.0,
    ) -> None:
        super().__init__(config)
        self._lifecycle, self._timing, self._channel = lifecycle, timing, channel
        self._stall_limit = stall_limit
        self._listeners: list[socket.socket] = []

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the stop signals, without uvicorn's second-signal-cuts-everything and its dying by signal."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.begin_drain)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if self._channel:
            loop.add_reader(self._channel, self._supervisor_is_gone)
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application and accept; then tell the supervisor."""
        self._listeners = [listener.dup() for listener in sockets or []]
        await super().startup(sockets)
        settle_memory()
        if self._channel:
            self._channel.send(READY)

    async def main_loop(self) -> None:
        """Serve, watched, until told to stop."""
        door = asyncio.ensure_future(
            Door(self.servers, self._listeners, self._accept_on, self._lifecycle).watch()
        )
        with Watchdog(self._lifecycle, self._stall_limit, STANDARD_ERROR.flush).watching():
            await super().main_loop()
        door.cancel()

    async def _accept_on(self, listener: socket.socket) -> asyncio.Server:
        """What uvicorn does with a socket at the start."""
        make = partial(
            CarefulProtocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        return await asyncio.get_running_loop().create_server(make, sock=listener, backlog=BACKLOG)

    def begin_drain(self) -> None:
        """Say goodbye now, stop accepting after the notice; a second call changes nothing."""
        if not self._lifecycle.draining:
            loop = asyncio.get_running_loop()
            self._lifecycle.begin_drain()
            self._say_close()
            loop.call_later(self._timing.notice, self._stop_accepting)

    def _say_close(self) -> None:
        """From now on each answer ends its connection: few are then left that a request could be sent on too late."""
        self.config.encoded_headers.append((b"connection", b"close"))
        self.server_state.default_headers = [*self.server_state.default_headers, (b"connection", b"close")]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the door, let what runs finish within the drain, cut the rest, then stop the application.

        Unlike uvicorn's own this waits for the requests it cuts: they still owe an error frame and a log row.
        """
        self._close_listeners([*(sockets or []), *self._listeners])
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if not await self._idle_within(self._timing.drain):
            for task in list(self.server_state.tasks):
                task.cancel("drain time is over")
            await self._idle_within(LAST_WORDS / 2)
        await self.lifespan.shutdown()

    def _close_listeners(self, sockets: list[socket.socket]) -> None:
        for server in self.servers:
            server.close()
        for listener in sockets:
            listener.close()

    async def _idle_within(self, seconds: float) -> bool:
        """True once no request runs and every answer has left; False when the time is over first."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while self.server_state.connections or self.server_state.tasks:
            if loop.time() >= deadline:
                return False
            await asyncio.sleep(POLL)
        return True

    def _stop_accepting(self) -> None:
        self.should_exit = True

    def _supervisor_is_gone(self) -> None:
        """The channel's other end is closed; a reset, told only once, where it had not read that we are ready."""
        assert self._channel is not None
        try:
            is_gone = not self._channel.recv(64)
        except OSError:
            is_gone = True
        if is_gone:
            asyncio.get_running_loop().remove_reader(self._channel)
            self.begin_drain()


def settle_memory() -> None:
    """What is loaded now stays: leave it out of collections, and collect less often. Halves the slowest answers."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def server_config(application: Any) -> uvicorn.Config:
    """uvicorn as we run it: no guessing at proxies, no banner, no access log (the request log has every request)."""
    return uvicorn.Config(
        application,
        loop="uvloop",
        http=CarefulProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
    )


def load_application(path: str) -> tuple[Any, Lifecycle]:
    """The ASGI application at module:name, and the lifecycle beside it."""
    module_name, _, name = path.partition(":")
    module = importlib.import_module(module_name)
    return getattr(module, name or "application"), getattr(module, "lifecycle", None) or Lifecycle()


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m rainymodel_site.worker", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="inherited listening socket")
    parser.add_argument("--channel", type=int, help="inherited socket to the supervisor")
    parser.add_argument("--number", type=int, default=1, help="which worker this is")
    parser.add_argument("--app", default=APPLICATION, help="module:name of the ASGI application")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Serve until told to stop."""
    options = read_arguments(arguments)
    listener = socket.socket(fileno=options.fd)
    channel = socket.socket(fileno=options.channel) if options.channel is not None else None
    try:
        logs.start()
        timing, stall_limit = read_stop_timing(), env.seconds("RAINYMODEL_LOOP_STALL_SECONDS", 0.0)
        application, lifecycle = load_application(options.app)
    except env.ConfigurationError as error:
        print(error, file=sys.stderr)
        return UNCONFIGURED
    server = WorkerServer(
        server_config(application),
        lifecycle=lifecycle,
        timing=timing,
        channel=channel,
        stall_limit=stall_limit,
    )
    server.run([listener])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
