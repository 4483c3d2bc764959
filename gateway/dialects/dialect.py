"""What a dialect has to know, and the request that every dialect's body becomes."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from gateway.errors import BadRequest, GatewayError
from gateway.usage import Usage

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """A checked request. `payload` is the client's JSON in its own dialect, explicit nulls of known fields removed.

    `chat` is the same said as a chat completion; None where `dialect` is chat already, where nothing can be
    translated at all (embeddings), and where `obstacle` names the field that cannot be carried over. `hints` are
    fields of `chat` that only a model that can reason is sent. `left_out` are fields of the payload that `chat`
    lacks, for the log.
    """

    payload: dict[str, Any]
    model: str
    dialect: str = "chat"
    stream: bool = False
    include_usage: bool = False
    needs: frozenset[str] = frozenset()
    input_tokens: int = 0
    max_tokens: int | None = None
    end_user: str = ""
    chat: dict[str, Any] | None = None
    obstacle: BadRequest | None = None
    hints: frozenset[str] = frozenset()
    left_out: dict[str, str] = field(default_factory=dict)


class NotAnAnswer(ValueError):
    """What an upstream sent is JSON, but no answer in the dialect that was spoken."""


class RefusedInside(Exception):
    """An answer that says, with status 200, that it is an error; `error` is its error object."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__("an error object inside an answer")
        self.error = error


class StreamCheck(Protocol):
    """One upstream stream's state: checks and puts right every event before it may go to a client.

    `usage` is the upstream's own account, in the dialect spoken. `complete` says that nothing is missing,
    `ended` that nothing may follow.
    """

    has_content: bool
    text_bytes: int
    usage: dict[str, Any] | None

    @property
    def complete(self) -> bool:
        """True when the answer is whole."""

    @property
    def ended(self) -> bool:
        """True after the dialect's last event; always False where the dialect has none."""

    def has_finished(self, choices: int) -> bool:
        """Whether so many choices are whole and none is open: only usage and the end may still come."""

    def take(self, event: Event) -> Event | None:
        """The event as clients may see it; None when nothing of it is for them.

        Raises NotAnAnswer for an event of another kind, RefusedInside for one that is an error.
        """

    def closing(self) -> list[Event]:
        """What the client is still owed when the stream has ended well."""


class StreamEncoder(Protocol):
    """Writes one stream for the client. Every method returns whole frames, or nothing."""

    def events(self, events: list[Event]) -> bytes:
        """Checked events of the upstream, as frames of the client's dialect."""

    def end(self) -> bytes:
        """The frames that end a good stream."""

    def error(self, error: GatewayError) -> bytes:
        """The frames that end a broken one."""


class Dialect(Protocol):
    """One dialect. `path` is where an upstream that speaks it serves it, below the base URL."""

    name: ClassVar[str]
    path: ClassVar[str]

    def parse(self, body: bytes) -> ModelRequest:
        """Check a client's body. Raises BadRequest with code and param; nothing is coerced."""

    def check_answer(self, body: Any, model: str) -> tuple[dict[str, Any], int]:
        """An upstream's JSON in this dialect as clients may see it, and the bytes of text in it.

        Raises NotAnAnswer. An error object has been looked for already.
        """

    def check_stream(self, model: str, created: int) -> StreamCheck:
        """The check of a stream in this dialect. `created` is in seconds since 1970."""

    def read_usage(self, raw: dict[str, Any]) -> Usage | None:
        """The usage object of this dialect; None when it does not tell both directions."""

    def from_chat(self, completion: dict[str, Any], request: ModelRequest) -> dict[str, Any]:
        """A whole chat completion, checked, said in this dialect."""

    def encoder(self, request: ModelRequest, model: str, *, translated: bool) -> StreamEncoder:
        """Writes a stream of chat chunks (`translated`) or of this dialect's own events."""

    def error_body(self, error: GatewayError, request_id: str) -> bytes:
        """An error before the first byte, in the shape this dialect's clients read."""

    def error_status(self, error: GatewayError) -> int:
        """The status such an error has here."""
