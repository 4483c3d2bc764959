"""Who is acting right now, for the audit: the user of the current request, or the command that runs."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """A name and, for requests, the client's address."""

    name: str
    address: str | None = None


# A function, because a request's user is only known (and only worth a query) when something is recorded.
_current: ContextVar[Callable[[], Actor] | None] = ContextVar("current_actor", default=None)


@contextmanager
def acting(who: Callable[[], Actor]) -> Iterator[None]:
    """Within the block, in this task or thread, `who` tells who is acting."""
    token = _current.set(who)
    try:
        yield
    finally:
        _current.reset(token)


def current_actor() -> Actor:
    """The one to write into the audit."""
    who = _current.get()
    return Actor(name=command_name()) if who is None else who()


def command_name() -> str:
    """The running program; for Django's command line with its command, never with its arguments."""
    program = os.path.basename(sys.argv[0]) or "python"
    if program == "manage.py" and len(sys.argv) > 1:
        return f"{program} {sys.argv[1]}"
    return program
