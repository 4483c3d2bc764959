"""What can go wrong with a file that is imported.

ImportRefused     the file as a whole cannot be used; nothing was changed
NotCarried        one entry cannot be carried over; the report says why, and the rest goes on
"""


class ImportRefused(ValueError):
    """The message is one sentence for the operator who named the file."""

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {message}" if line else message)
        self.line = line


class NotCarried(ValueError):
    """The message is the reason, as the end of a line of the report."""


def shown(text: object, longest: int = 80) -> str:
    """Text of the file, safe for a terminal: one line, not long, control characters spelled out."""
    plain = ascii(str(text)[: longest + 1])[1:-1]
    return plain if len(plain) <= longest else plain[: longest - 1] + "~"
