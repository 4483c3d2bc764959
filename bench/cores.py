"""Which process runs on which core: the measured worker alone on one, all others on the rest, where there are two."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cores:
    """Empty sets mean that nothing is pinned."""

    worker: frozenset[int] = frozenset()
    others: frozenset[int] = frozenset()

    def in_words(self) -> str:
        """Where everything runs, for the report."""
        if not self.worker:
            return "nothing is pinned"
        rest = ", ".join(map(str, sorted(self.others)))
        return f"the worker on core {min(self.worker)}, upstream, client and Postgres on {rest}"


def share_out() -> Cores:
    """The last core this process may use for the worker; nothing where there is only one, or no way to pin."""
    if not hasattr(os, "sched_setaffinity"):
        return Cores()
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        return Cores()
    return Cores(frozenset(usable[-1:]), frozenset(usable[:-1]))


@contextmanager
def on(cores: frozenset[int]) -> Iterator[None]:
    """Processes started in the block run on these cores; all of their threads do, because they inherit it."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
