"""The interface between the attempts and an upstream, whatever it speaks.

Open an attempt → the first content, or a classified failure; then chunks; then usage. A wire raises AttemptFailed
before content and StreamBroken after it, and nothing else.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from aiohttp import StreamReader

from routing.engine.snapshot import Deployment, Snapshot


@dataclass(frozen=True, slots=True)
class UpstreamCall:
    """One attempt: what to send, where, with which credential, and the seconds it may take to the first content.

    `payload` is said in `dialect`; the wire puts in the upstream's model and applies the deployment's parameter
    policy. `left_out` names fields of the client's that `payload` lacks already. `headers` are the client's own that
    belong to the dialect.
    """

    deployment: Deployment
    dialect: str
    payload: dict[str, Any]
    stream: bool
    credential: str | None
    first_content_limit: float
    headers: tuple[tuple[str, str], ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Completion:
    """A whole JSON answer, checked. `first_content` is the seconds to the first byte of the body.

    `output_bytes` are the bytes of text in it, for estimating usage where the upstream gives none. `oddities` are words
    for what is passed on as it is although clients may stumble over it.
    """

    body: dict[str, Any]
    first_content: float
    usage: dict[str, Any] | None = None
    output_bytes: int = 0
    parameter_edits: dict[str, str] = field(default_factory=dict)
    oddities: tuple[str, ...] = ()


class Response(Protocol):
    """An upstream's HTTP answer, its body still to be read: aiohttp's own, or gateway.upstream.posting's."""

    @property
    def status(self) -> int:
        """The status code."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers, whatever their names' case."""

    @property
    def content(self) -> StreamReader:
        """The body."""

    def release(self) -> Any:
        """Give the connection back: the body was read to its end."""

    def close(self) -> None:
        """Close the connection; who still reads the body is told."""


class UpstreamStream(Protocol):
    """An open stream that has delivered its first content."""

    first_content: float
    parameter_edits: dict[str, str]

    @property
    def usage(self) -> dict[str, Any] | None:
        """The upstream's own usage, once the stream has ended; None when it gave none."""

    @property
    def oddities(self) -> tuple[str, ...]:
        """As those of a Completion, once the stream has ended."""

    @property
    def output_bytes(self) -> int:
        """Bytes of text read so far, for estimating usage where the upstream gives none."""

    def events(self) -> AsyncIterator[list[dict[str, Any]]]:
        """Checked events as they arrive, several at a time when several arrived; a chat's usage chunk last.

        Raises StreamBroken when the stream ends without being complete.
        """

    async def close(self) -> None:
        """Close the connection, or give it back when the answer was read to its end."""


class Wire(Protocol):
    """One way to reach upstreams."""

    async def complete(self, call: UpstreamCall) -> Completion:
        """One whole answer. Raises AttemptFailed."""

    async def open_stream(self, call: UpstreamCall) -> UpstreamStream:
        """A stream that has its first content. Raises AttemptFailed."""

    async def prepare(self, snapshot: Snapshot) -> None:
        """Make ready, beside the requests, what the snapshot's deployments will need. May be called again and again."""

    async def close(self) -> None:
        """Close every connection."""
