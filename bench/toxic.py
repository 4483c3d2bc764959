"""A TCP proxy that spoils the way to a server on purpose, switchable while it runs.

    with toxic(("127.0.0.1", 5432)) as proxy:       # or the path of a Unix socket
        connect_to("127.0.0.1", proxy.port)
        proxy.change(latency=5.0)                   # from now on every piece of an answer comes 5 s late
        proxy.change(frozen=True)                   # nothing passes; what is open stays open
        proxy.reset()                               # every open connection ends with an RST
        proxy.heal()                                # harmless again; what waited goes on at once

    with toxic_database(dsn) as (proxy, spoilt): ...     # the same in front of a Postgres; `spoilt` is its DSN

The proxy runs in a thread of its own, so that synchronous tests can use it.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo

PIECE = 65_536
Target = tuple[str, int] | str


@dataclass(frozen=True, slots=True)
class Toxins:
    """What happens to the traffic. Times in seconds, sizes in bytes; the default harms nothing.

    `latency`: each piece of an answer waits so long. `rate`: bytes per second of answers, 0 for no limit. `slice`:
    pieces of answers are cut this small, 0 for as they come. `cut_after`: a connection ends in order after so many
    bytes of answers. `frozen`: nothing passes in either direction. `dropping`: what the server answers is thrown
    away. `refusing`: new connections are reset at once.
    """

    latency: float = 0.0
    rate: int = 0
    slice: int = 0
    cut_after: int | None = None
    frozen: bool = False
    dropping: bool = False
    refusing: bool = False


class ToxicProxy:
    """Use `toxic`. `change`, `heal` and `reset` may be called from any thread, and hold when they return."""

    def __init__(self, target: Target) -> None:
        self.port, self.accepted = 0, 0
        self._target, self._toxins = target, Toxins()
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._run, name="toxic proxy", daemon=True)
        self._started = threading.Event()

    @property
    def open(self) -> int:
        """How many clients are connected now."""
        return len(self._writers) // 2

    def change(self, **toxins: Any) -> None:
        """Change some of the toxins, by their names; open connections feel it too."""
        self._call(self._set, replace(self._toxins, **toxins))

    def heal(self) -> None:
        """Let everything pass again."""
        self._call(self._set, Toxins())

    def reset(self) -> None:
        """End every open connection with an RST on both sides."""
        self._call(self._reset)

    def start(self) -> None:
        """Listen; returns when the port is known."""
        self._thread.start()
        self._started.wait()

    def stop(self) -> None:
        """Close everything."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            listener = socket.create_server(("127.0.0.1", 0))
            self.port = listener.getsockname()[1]
            server = runner.run(asyncio.start_server(self._serve, sock=listener))
            self._started.set()
            self._loop.run_forever()
            server.close()
            self._reset()

    def _call(self, function: Any, *arguments: Any) -> None:
        done = threading.Event()

        def act() -> None:
            function(*arguments)
            done.set()

        self._loop.call_soon_threadsafe(act)
        done.wait(10)

    def _set(self, toxins: Toxins) -> None:
        self._toxins = toxins
        self._changed.set()
        self._changed = asyncio.Event()

    def _reset(self) -> None:
        for writer in list(self._writers):
            reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._toxins.refusing:
            reset(writer)
            return
        try:
            server_reader, server_writer = await self._connect()
        except OSError:
            reset(writer)
            return
        pair = {writer, server_writer}
        self._writers |= pair
        questions = self._pass_on(reader, server_writer, is_answer=False)
        answers = self._pass_on(server_reader, writer, is_answer=True)
        try:
            await asyncio.gather(questions, answers)
        finally:
            self._writers -= pair
            for one in pair:
                one.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self._target, str):
            return await asyncio.open_unix_connection(self._target)
        return await asyncio.open_connection(*self._target)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        """Until one side ends; the other then hears the end too."""
        passed = 0
        with contextlib.suppress(OSError):
            while data := await reader.read(
                self._toxins.slice if is_answer and self._toxins.slice else PIECE
            ):
                await self._delay(len(data) if is_answer else 0)
                toxins = self._toxins
                if is_answer and toxins.dropping:
                    continue
                if is_answer and toxins.cut_after is not None:
                    data = data[: max(0, toxins.cut_after - passed)]
                passed += len(data)
                writer.write(data)
                await writer.drain()
                if is_answer and toxins.cut_after is not None and passed >= toxins.cut_after:
                    break
        with contextlib.suppress(OSError):
            writer.close()

    async def _delay(self, size: int) -> None:
        """Until a piece of so many bytes of an answer (0 for a question) may pass."""
        toxins = self._toxins
        wait = (toxins.latency + size / toxins.rate if toxins.rate else toxins.latency) if size else 0.0
        if wait:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait)
        while self._toxins.frozen:
            await self._changed.wait()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with an RST, as a machine that went away does."""
    raw = writer.get_extra_info("socket")
    if raw is not None and raw.family != socket.AF_UNIX:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextlib.contextmanager
def toxic(target: Target) -> Iterator[ToxicProxy]:
    """A proxy in front of `target`, (host, port) or the path of a Unix socket, while the block lasts."""
    proxy = ToxicProxy(target)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


@contextlib.contextmanager
def toxic_database(dsn: str) -> Iterator[tuple[ToxicProxy, str]]:
    """A proxy in front of the Postgres of `dsn`, and the DSN that leads through it."""
    parts = conninfo_to_dict(dsn)
    host, port = str(parts.get("host") or "localhost"), int(parts.get("port") or 5432)
    target: Target = f"{host}/.s.PGSQL.{port}" if host.startswith("/") else (host, port)
    with toxic(target) as proxy:
        yield proxy, make_conninfo(dsn, host="127.0.0.1", port=proxy.port, sslmode="disable")
