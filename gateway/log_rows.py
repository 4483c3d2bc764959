"""One request's log row: filled while the request runs, turned into a line of JSON at its end.

Clients and upstreams choose some of the texts, so a line is made safe for Postgres here: texts are cut, NUL
and lone surrogates become U+FFFD, and what an upstream sent as usage may only be so large.
"""

from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

import orjson

from gateway.journal.tally import Minute
from gateway.usage import Usage, price_document
from routing.engine.snapshot import Price

TEXT_LIMIT = 200
FROM_OUTSIDE = (
    "endpoint",
    "client_request_id",
    "requested_model",
    "selected_model",
    "policy",
    "provider_filter",
    "end_user",
    "key_label",
    "client_address",
    "user_agent",
    "upstream_model",
)
_from_outside = attrgetter(*FROM_OUTSIDE)
LARGE_LINE = 16_384
LARGE_PART = 4_096
MOST_ATTEMPTS = 100
MOST_PRICES = 10_000  # remembered
DEEPEST = 20
UUID_LENGTH = 36
NUL_IN_JSON = b"\\u0000"
REPLACEMENT = "\ufffd"


@dataclass(slots=True)
class LogEntry:
    """The columns of gateway.models.RequestLog, as plain attributes. Whoever learns something writes it here.

    It belongs to one request; only the recorder makes and closes it. `attempts` holds one dict for each
    deployment tried or skipped. Until somebody says how the request ended, it counts as lost.
    """

    id: str
    started_at: datetime
    worker: str = ""
    endpoint: str = ""
    client_request_id: str = ""
    requested_model: str = ""
    alias: str = ""
    routing_mode: str = ""
    selected_model: str = ""
    policy: str = ""
    provider_filter: str = ""
    needs: list[str] = field(default_factory=list)
    input_tokens_estimate: int = 0
    max_tokens: int | None = None
    stream: bool = False
    end_user: str = ""
    deadline_ms: int | None = None
    key_id: str | None = None
    key_label: str = ""
    user_id: str = ""
    client_address: str = ""
    user_agent: str = ""
    revision: int = 0
    attempts: list[dict[str, Any]] = field(default_factory=list)
    attempt_count: int = 0
    fallback_reason: str = ""
    tier: str = ""
    provider: str = ""
    upstream: str = ""
    deployment: str = ""
    upstream_model: str = ""
    first_content_ms: float | None = None
    total_ms: float | None = None
    overhead_ms: float | None = None
    usage_raw: dict[str, Any] | None = None
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    price: dict[str, Any] | None = None
    cost_usd: Decimal | None = None
    parameter_edits: dict[str, Any] = field(default_factory=dict)
    reservation: dict[str, Any] | None = None
    state: str = "lost"
    status: int = 0
    error_code: str = ""
    _ended: bool = field(default=False, init=False, repr=False)
    _minute: Minute | None = field(default=None, init=False, repr=False)

    def use(self, usage: Usage) -> None:
        """Take over what was used."""
        self.usage_raw, self.estimated = usage.raw, usage.estimated
        self.input_tokens, self.cached_tokens = usage.input, usage.cached
        self.output_tokens, self.reasoning_tokens = usage.output, usage.reasoning

    def use_price(self, price: Price | None, cost: Decimal | None) -> None:
        """Take over the price row in force and the cost that follows; None is unknown."""
        self.price = None if price is None else remembered_document(price)
        self.cost_usd = cost

    def end(self) -> bool:
        """Mark the entry as ended; False when it was already."""
        first, self._ended = not self._ended, True
        return first

    def count_in(self, minute: Minute) -> None:
        """Say in which minute the request is counted."""
        self._minute = minute

    @property
    def minute(self) -> Minute:
        """Where the request is counted; the recorder says so when it opens the entry."""
        assert self._minute is not None
        return self._minute

    def to_row(self) -> bytes:
        """The row as one line of JSON that Postgres takes, whatever is in it."""
        if max(map(len, _from_outside(self))) > TEXT_LIMIT:
            for name in FROM_OUTSIDE:
                setattr(self, name, getattr(self, name)[:TEXT_LIMIT])
        if self.key_id is not None and len(self.key_id) != UUID_LENGTH:
            self.key_id = None  # a key from the environment: it has a label and no row
        return quick_row(self) or careful_row(self)


COLUMNS = tuple(column.name for column in fields(LogEntry) if not column.name.startswith("_"))


_documents: dict[int, tuple[Price, dict[str, Any]]] = {}


def remembered_document(price: Price) -> dict[str, Any]:
    """A price as the log keeps it, made once for each price; nobody may change it."""
    known = _documents.get(id(price))
    if known is None or known[0] is not price:
        if len(_documents) >= MOST_PRICES:
            _documents.clear()
        known = _documents[id(price)] = (price, price_document(price))
    return known[1]


def quick_row(entry: LogEntry) -> bytes | None:
    """The line as it is nearly always; None when something in the entry is unusual."""
    try:
        line = orjson.dumps(entry, default=str)
    except TypeError:  # a lone surrogate, a number beyond 64 bits, nesting without end
        return None
    return None if len(line) > LARGE_LINE or NUL_IN_JSON in line else line


def careful_row(entry: LogEntry) -> bytes:
    """The slow way to a line: nothing in it can be refused for its form or its size."""
    row = {name: harmless(getattr(entry, name)) for name in COLUMNS}
    row["attempts"] = row["attempts"][:MOST_ATTEMPTS]
    for name in ("usage_raw", "parameter_edits", "reservation"):
        if len(orjson.dumps(row[name])) > LARGE_PART:
            row[name] = {"left_out": f"larger than {LARGE_PART} bytes"}
    return orjson.dumps(row)


def harmless(value: Any, depth: int = 0) -> Any:
    """The value with every text in it safe for Postgres; what JSON cannot say becomes its text."""
    if depth > DEEPEST:
        return "…"
    if isinstance(value, dict):
        return {harmless_text(str(key)): harmless(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [harmless(item, depth + 1) for item in value]
    if value is None or isinstance(value, bool | float | datetime):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    return harmless_text(str(value))


def harmless_text(text: str) -> str:
    """The text without NUL and lone surrogates."""
    return text.replace("\x00", REPLACEMENT).encode("utf-8", "surrogatepass").decode("utf-8", "replace")
