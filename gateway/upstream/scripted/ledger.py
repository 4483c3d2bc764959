"""What the scripted upstream saw and sent: every request as an entry, and totals that never grow.

Written by the upstream's loop, readable from any thread. Entries keep raw bytes and parse them only when they
are read, so that a benchmark pays little for being watched.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from threading import Lock
from typing import Any

import orjson

from gateway.upstream.scripted.wire import parse_fields

KEPT_ENTRIES = 10_000
KEPT_BODY_BYTES = 64 * 1024 * 1024


@dataclass(slots=True, eq=False)
class Entry:
    """One request. `bytes_in` and `bytes_out` count body bytes, without HTTP heads and chunk framing.

    `events_out` counts `data:` events other than `[DONE]`. A request ends in one of three ways: `completed`,
    the scenario was played to its end; `cut`, the scenario closed the connection; `client_gone_after`, the
    seconds until the peer closed it first.
    """

    number: int
    time: float
    method: str
    path: str
    raw_head: bytes
    raw_body: bytes
    model: str = ""
    scenario: str = ""
    stream: bool = False
    bytes_out: int = 0
    events_out: int = 0
    completed: bool = False
    cut: bool = False
    client_gone_after: float | None = None

    @property
    def bytes_in(self) -> int:
        return len(self.raw_body)

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case; a repeated field's values are joined by a comma."""
        return parse_fields(self.raw_head)

    @property
    def authorization(self) -> str:
        return self.headers.get("authorization", "")

    @property
    def body(self) -> Any:
        """The parsed JSON body, or None when there is none or it does not parse."""
        try:
            return orjson.loads(self.raw_body)
        except orjson.JSONDecodeError:
            return None

    def as_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "time": self.time,
            "method": self.method,
            "path": self.path,
            "model": self.model,
            "scenario": self.scenario,
            "headers": self.headers,
            "body": self.body,
            "stream": self.stream,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "events_out": self.events_out,
            "completed": self.completed,
            "cut": self.cut,
            "client_gone_after": self.client_gone_after,
        }


@dataclass(slots=True)
class Totals:
    """Sums since the start or the last reset. `cancelled`: the client left first; `cut`: the scenario did."""

    requests: int = 0
    open: int = 0
    completed: int = 0
    cancelled: int = 0
    cut: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    events_out: int = 0

    def add(self, entry: Entry) -> None:
        self.bytes_in += entry.bytes_in
        self.bytes_out += entry.bytes_out
        self.events_out += entry.events_out
        if entry.completed:
            self.completed += 1
        elif entry.client_gone_after is not None:
            self.cancelled += 1
        elif entry.cut:
            self.cut += 1
        else:
            self.open += 1


@dataclass(slots=True)
class Connections:
    """How many sockets were accepted since the start, and how many are open now."""

    accepted: int = 0
    open: int = 0


@dataclass(slots=True, eq=False)
class Ledger:
    """The newest entries (at most `keep`, and 64 MB of bodies), hits per model, totals, connections."""

    keep: int = KEPT_ENTRIES
    keep_bytes: int = KEPT_BODY_BYTES
    connections: Connections = field(default_factory=Connections)
    _entries: deque[Entry] = field(default_factory=deque)
    _kept_bytes: int = 0
    _running: set[Entry] = field(default_factory=set)
    _closed: Totals = field(default_factory=Totals)
    _hits: Counter[str] = field(default_factory=Counter)
    _number: int = 0
    _lock: Lock = field(default_factory=Lock)

    @property
    def entries(self) -> list[Entry]:
        return list(self._entries.copy())

    def hits(self, model: str | None = None) -> int:
        """How many requests named this model, or how many there were at all."""
        return self._hits.total() if model is None else self._hits[model]

    def of(self, model: str) -> list[Entry]:
        """The kept entries of one model, oldest first."""
        return [entry for entry in self.entries if entry.model == model]

    @property
    def totals(self) -> Totals:
        """Sums over every request, those still running included."""
        with self._lock:
            totals = replace(self._closed)
            for entry in self._running:
                totals.add(entry)
        return totals

    def open_entry(self, method: str, path: str, raw_head: bytes, raw_body: bytes) -> Entry:
        self._number += 1
        entry = Entry(self._number, time.monotonic(), method, path, raw_head, raw_body)
        self._entries.append(entry)
        with self._lock:
            self._running.add(entry)
            self._closed.requests += 1
        self._kept_bytes += len(raw_body)
        while len(self._entries) > self.keep or self._kept_bytes > self.keep_bytes:
            self._kept_bytes -= self._entries.popleft().bytes_in
        return entry

    def count_hit(self, model: str) -> int:
        """Count one request for this model; returns its turn, starting at 1."""
        self._hits[model] += 1
        return self._hits[model]

    def close_entry(self, entry: Entry) -> None:
        """Add a finished request to the totals; one that began before a reset is no longer counted."""
        with self._lock:
            if entry in self._running:
                self._running.remove(entry)
                self._closed.add(entry)

    def reset(self) -> None:
        """Forget all requests. Open connections stay counted."""
        with self._lock:
            self._entries.clear()
            self._kept_bytes = 0
            self._running.clear()
            self._closed = Totals()
            self._hits.clear()

    def totals_as_json(self) -> dict[str, Any]:
        return {
            "totals": asdict(self.totals),
            "connections": asdict(self.connections),
            "hits": dict(self._hits),
        }

    def as_json(self) -> dict[str, Any]:
        return {**self.totals_as_json(), "entries": [entry.as_json() for entry in self.entries]}

    def wait_until(self, fact: Callable[["Ledger"], bool], timeout: float = 2.0) -> bool:
        """Wait, from another thread than the upstream's, until the fact holds; False when time ran out."""
        deadline = time.monotonic() + timeout
        while not fact(self):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    async def until(self, fact: Callable[["Ledger"], bool], timeout: float = 2.0) -> bool:
        """The same for a coroutine, on any loop."""
        deadline = time.monotonic() + timeout
        while not fact(self):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.002)
        return True
