"""What the journal's records say, and the row of a request whose worker died."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any

import orjson

from accounts.ledger.lost import Hold, worst_cost
from accounts.ledger.rules import NANO
from gateway.log_rows import COLUMNS, TEXT_LIMIT, LogEntry, harmless

NAMES, ADMITTED, PLANNED, ENDED, DISCARDED = 1, 2, 3, 4, 5
ADMISSION = (
    "id", "started_at", "worker", "endpoint", "client_request_id", "key_id", "key_label", "user_id",
    "client_address", "user_agent",
)  # fmt: skip
PLAN = (
    "requested_model", "alias", "routing_mode", "selected_model", "policy", "provider_filter", "stream",
    "max_tokens", "input_tokens_estimate", "end_user", "revision", "reservation",
)  # fmt: skip
LARGE = 4_096
ROW_ID = slice(7, 43)  # a row is an object whose first member is "id"
_admission, _plan = attrgetter(*ADMISSION), attrgetter(*PLAN)


def admission(entry: LogEntry, admitted: int) -> bytes:
    """Whose request it is, and how many this worker has admitted in the request's minute."""
    return packed((admitted, *_admission(entry)))


def planned(entry: LogEntry, deployments: Sequence[str], holds: Sequence[Hold]) -> bytes:
    """What was asked, who may be asked for it, and what is set aside."""
    return packed((entry.id, deployments, holds, *_plan(entry)))


def discarded(id: str, discarded: int) -> bytes:
    """That a request never came to be, and how many of its minute did not."""
    return packed((id, discarded))


def packed(values: tuple[Any, ...]) -> bytes:
    """As JSON; texts from outside are cut and made harmless only when they must be."""
    try:
        payload = orjson.dumps(values)
    except TypeError:  # a lone surrogate, a number beyond 64 bits
        return orjson.dumps(harmless(values))
    return payload if len(payload) < LARGE else orjson.dumps([shortened(each) for each in harmless(values)])


def shortened(value: Any) -> Any:
    """A text cut as the log cuts it; everything else as it is."""
    return value[:TEXT_LIMIT] if isinstance(value, str) else value


@dataclass(slots=True)
class Unfinished:
    """A request that has not ended: what is known of it by the log's columns, who may be asked, what is set aside."""

    known: dict[str, Any]
    deployments: list[str] | None = None
    holds: list[Hold] = field(default_factory=list)

    def plan(self, deployments: list[str], holds: Sequence[Sequence[Any]], known: Mapping[str, Any]) -> None:
        """Take over what its plan says."""
        self.deployments, self.known = deployments, {**self.known, **known}
        self.holds = [(name, period, amount) for name, period, amount in holds]

    def lost_row(self) -> tuple[bytes, list[Hold]]:
        """The row of a request that died with its worker, at the most it may have cost, and what it had set aside."""
        entry = LogEntry(self.known["id"], datetime.fromisoformat(self.known["started_at"]))
        for name, value in self.known.items():
            if name in COLUMNS and name != "started_at":  # a later version may know more
                setattr(entry, name, value)
        if self.deployments is not None:
            entry.reservation = {**(entry.reservation or {}), "deployments": self.deployments}
        worst = worst_cost(self.holds)
        entry.cost_usd = None if worst is None else Decimal(worst) / NANO
        entry.state = entry.error_code = "lost"
        entry.estimated = True
        return entry.to_row(), self.holds


OWN_NAMES = {"row": list(COLUMNS), "admission": list(ADMISSION), "plan": list(PLAN)}


def names() -> bytes:
    """What the values in this version's records are called, for a reader of another version."""
    return orjson.dumps(OWN_NAMES)


def completed(row: bytes, columns: Sequence[str]) -> bytes:
    """A row of a version with other columns, with the defaults of those it does not know."""
    if tuple(columns) == COLUMNS:
        return row
    known: Mapping[str, Any] = orjson.loads(row)
    entry = LogEntry(known["id"], datetime.fromisoformat(known["started_at"]))
    return orjson.dumps({**orjson.loads(entry.to_row()), **known})
