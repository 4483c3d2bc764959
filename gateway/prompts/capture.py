"""What one consenting request says and is told, collected while it runs: a few list appends, no copy, no wait."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.prompts.keeper import PromptKeeper

MOST_HEARD = 4 * 1024 * 1024  # bytes of an answer as sent; a stream's frames are many times its text


class Capture:
    """The body as received and the answer as sent. `is_cut`: the answer's rest was not heard."""

    __slots__ = ("_keeper", "_pieces", "body", "dialect", "id", "is_cut", "key_id", "size", "user_id")

    def __init__(
        self, keeper: "PromptKeeper", id: str, key_id: str, user_id: str, dialect: str, body: bytes
    ) -> None:
        self._keeper = keeper
        self.id, self.key_id, self.user_id, self.dialect, self.body = id, key_id, user_id, dialect, body
        self.size = len(body)  # bytes held, of body and answer
        self.is_cut = False
        self._pieces: list[bytes] = []

    def hear(self, message: dict[str, Any]) -> None:
        """One ASGI message on its way to the client."""
        piece = message.get("body")
        if not piece or self.is_cut:
            return
        if self.size - len(self.body) + len(piece) > MOST_HEARD or not self._keeper.has_room(len(piece)):
            self.is_cut = True
            return
        self._pieces.append(piece)
        self.size += len(piece)
        self._keeper.held += len(piece)

    def answer(self) -> bytes:
        """What was heard, as it was sent."""
        return b"".join(self._pieces)
