"""One client's connection: requests in order, one at a time, kept alive; a client that leaves is noted."""

import asyncio
import time
from typing import cast

from gateway.upstream.scripted.endpoints import Stage, respond
from gateway.upstream.scripted.ledger import Entry
from gateway.upstream.scripted.player import Player
from gateway.upstream.scripted.script import Cut, Script, error_reply
from gateway.upstream.scripted.wire import BadRequest, Request, RequestReader


class Connection(asyncio.Protocol):
    """Reads whole requests, has each answered by a player, and reports to the stage's ledger."""

    def __init__(self, stage: Stage, connections: set["Connection"]) -> None:
        self._stage = stage
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._reader = RequestReader()
        self._player: Player | None = None
        self._turn = 0
        self._keep_alive = True
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not asyncio's by class, only by what they do.
        self.transport = cast(asyncio.Transport, transport)
        # With no buffer of our own, "written" in the ledger means: taken by the socket.
        self.transport.set_write_buffer_limits(high=0)
        self._connections.add(self)
        self._stage.ledger.connections.accepted += 1
        self._stage.ledger.connections.open += 1

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._stage.ledger.connections.open -= 1
        if self._player is not None:
            self._player.stop()
            entry = self._player.entry
            if entry is not None:
                entry.client_gone_after = time.monotonic() - entry.time
            self._close_entry()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        self._serve_next()

    def pause_writing(self) -> None:
        if self._player is not None:
            self._player.pause()

    def resume_writing(self) -> None:
        if self._player is not None:
            self._player.resume()

    def _serve_next(self) -> None:
        """Serve what has arrived whole; further requests wait until this answer is out."""
        if self._player is not None:
            return
        try:
            request = self._reader.next_request()
        except BadRequest as problem:
            self._play(None, (*error_reply(400, str(problem)), Cut()))
            return
        if request is not None:
            self._serve(request)
        elif self._reader.wants_continue:
            self._reader.wants_continue = False
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _serve(self, request: Request) -> None:
        self._turn += 1
        self._keep_alive = request.keep_alive
        self._play(*respond(self._stage, request, self._turn))

    def _play(self, entry: Entry | None, script: Script) -> None:
        self._player = Player(self._loop, self.transport, script, entry, self._after_answer)
        self._player.advance()

    def _after_answer(self, reusable: bool) -> None:
        self._close_entry()
        if not reusable:
            return
        if not self._keep_alive:
            self.transport.close()
        elif self._reader.has_bytes:
            # Not called directly: a thousand pipelined requests would nest a thousand frames.
            self._loop.call_soon(self._serve_next)

    def _close_entry(self) -> None:
        player, self._player = self._player, None
        if player is not None and player.entry is not None:
            self._stage.ledger.close_entry(player.entry)
