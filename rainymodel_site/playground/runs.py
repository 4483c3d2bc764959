"""What the page and the gateway's side of the playground hand each other, inside one request's ASGI scope."""

from dataclasses import dataclass, field
from typing import Any

from gateway.call import Receive

SLOT = "rainymodel.playground"


@dataclass(frozen=True, slots=True)
class Run:
    """One question: in the name of which key, under which policy (empty: the alias's own), as which chat body."""

    kid: str
    owner_id: str
    policy: str
    body: bytes


@dataclass(slots=True)
class Answer:
    """What was answered to a run, as a client of the API gets it. A status of 0: nothing was."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    async def hear(self, message: dict[str, Any]) -> None:
        """One ASGI message of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            self.body += message.get("body", b"")


@dataclass(slots=True)
class Slot:
    """Lies in the scope. The page puts `runs` in when the form is good, and finds `answers` when they are to be shown.

    `as_page`: whoever asked has no script, and wants the answers in a page.
    """

    runs: tuple[Run, ...] = ()
    as_page: bool = False
    answers: tuple[Answer, ...] = ()


class Body:
    """A request's body that is read twice; what follows it, such as the client's leaving, comes as it is."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read: list[dict[str, Any]] = []

    async def once(self) -> dict[str, Any]:
        """`receive` for the first reader."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._read.append(message)
        return message

    async def again(self) -> dict[str, Any]:
        """`receive` for the second."""
        return self._read.pop(0) if self._read else await self._receive()


def receiving(body: bytes, receive: Receive) -> Receive:
    """`receive` of a request with this body, from the same client."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def read() -> dict[str, Any]:
        return waiting.pop() if waiting else await receive()

    return read
