"""One planned request on its way: everything that the attempts and the relay share."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.call import Call
from gateway.dialects.dialect import Dialect, ModelRequest, StreamEncoder
from gateway.errors import Headers
from gateway.record import LogEntry
from routing.engine.plan import Plan
from routing.engine.query import Query

if TYPE_CHECKING:
    from gateway.services import Services


TIMER_TOLERANCE = 0.05  # seconds; a timer may ring a moment before its time


@dataclass(slots=True)
class Progress:
    """How far the request has come: what headers and the log say of the way to the answer.

    `tried` holds the labels that did not answer, in order; `answer_seconds` what the answering attempt took until
    its first content; `encoder` is what writes the stream, once one has begun.
    """

    attempts: int = 0
    tried: tuple[str, ...] = ()
    first_reason: str = ""
    answer_seconds: float = 0.0
    answered: bool = False
    encoder: StreamEncoder | None = None


@dataclass(frozen=True, slots=True)
class Exchange:
    """Deadlines are on the services' clock: the first content must come by the first, the end by the second.

    `credentials` are those that came with the plan's snapshot, `limits` the headers that tell how much the caller
    may still use.
    """

    call: Call
    request: ModelRequest
    dialect: Dialect
    query: Query
    plan: Plan
    entry: LogEntry
    services: "Services"
    first_content_by: float
    end_by: float
    credentials: Mapping[str, str] = field(repr=False)
    limits: Headers = ()
    progress: Progress = field(default_factory=Progress)

    @property
    def late(self) -> bool:
        """True when the time to the first content is over."""
        return self.services.clock() >= self.first_content_by - TIMER_TOLERANCE

    @property
    def overdue(self) -> bool:
        """True when the request's whole time is over."""
        return self.services.clock() >= self.end_by - TIMER_TOLERANCE
