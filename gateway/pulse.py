"""Keep-alive for every open stream of the worker, from one ticking task instead of a timer for each stream."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gateway.call import Reply
from gateway.errors import Headers


class Pulse:
    """Sends a comment on each stream that has been silent for `every` seconds."""

    def __init__(self, every: float, clock: Callable[[], float]) -> None:
        self._every, self._clock = every, clock
        self._open: dict[Reply, Headers] = {}

    @contextmanager
    def keep_alive(self, reply: Reply, headers: Headers) -> Iterator[None]:
        """Ping this reply while the block lasts; `headers` go out with the first ping if nothing else came before."""
        reply.last_sent = self._clock()
        self._open[reply] = headers
        try:
            yield
        finally:
            del self._open[reply]

    async def run(self) -> None:
        """Tick until cancelled, a few times within each period so that no ping is much late."""
        while True:
            await asyncio.sleep(min(1.0, self._every / 4))
            self.tick()

    def tick(self) -> None:
        """Ping every stream that is due."""
        now = self._clock()
        for reply, headers in self._open.items():
            if now - reply.last_sent >= self._every:
                reply.ping(headers, now)
