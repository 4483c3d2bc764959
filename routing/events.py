"""What operators did with the catalogue as a whole; whoever keeps an audit listens."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.dispatch import Signal

deeds = Signal()  # with `action`, `subject`, `author` and `facts`
_rehearsed: ContextVar[bool] = ContextVar("rehearsed", default=False)


def tell(action: str, subject: str, author: str, **facts: Any) -> None:
    """Say that `author` did something, inside the transaction that does it. Empty facts are left out."""
    known = {name: value for name, value in facts.items() if value not in (None, "", [], ())}
    deeds.send(sender=None, action=action, subject=subject, author=author, facts=known)


@contextmanager
def rehearsal() -> Iterator[None]:
    """A block whose writes will be taken back: whoever keeps an audit leaves them out."""
    token = _rehearsed.set(True)
    try:
        yield
    finally:
        _rehearsed.reset(token)


def is_rehearsal() -> bool:
    """Whether such a block is on."""
    return _rehearsed.get()
