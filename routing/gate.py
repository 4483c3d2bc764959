"""The gate of publishing: which kinds of request would lose the last deployment that answers them here."""

import time
from dataclasses import dataclass

from routing.compile import compile_snapshot
from routing.document import CatalogueError, Document
from routing.engine.reach import NEEDS, Cell, Reach, emptied, names_of, policy_behind, reach, touched
from routing.engine.snapshot import Snapshot
from routing.environment import Surroundings

MOST_COUNTED = 120  # aliases; a page counts no more where nothing can have changed


@dataclass(frozen=True, slots=True)
class Count:
    """How many deployments could answer one cell, before and after; `before` is None where nothing serves."""

    cell: Cell
    before: int | None
    after: int

    @property
    def is_emptied(self) -> bool:
        """Whether somebody could answer it, and nobody could."""
        return bool(self.before) and not self.after

    @property
    def has_changed(self) -> bool:
        """Whether it is another number than before."""
        return self.before != self.after


@dataclass(frozen=True, slots=True)
class Row:
    """One alias under one policy; `under` is the policy's name also where the request names none."""

    alias: str
    policy: str
    under: str
    counts: tuple[Count, ...]

    @property
    def is_emptied(self) -> bool:
        """Whether any of its cells is."""
        return any(count.is_emptied for count in self.counts)

    @property
    def has_changed(self) -> bool:
        """Whether any of its cells has."""
        return any(count.has_changed for count in self.counts)

    @property
    def is_empty(self) -> bool:
        """Whether nobody could answer anything."""
        return not any(count.after for count in self.counts)


def emptied_cells(serving: Document | None, draft: Document, surroundings: Surroundings) -> tuple[Cell, ...]:
    """The cells that the draft would leave without an answer; none where nothing serves or either is unusable."""
    before, after = usable(serving, surroundings), usable(draft, surroundings)
    if before is None or after is None:
        return ()
    return emptied(before, after, time.time())


def matrix(serving: Document | None, draft: Document, surroundings: Surroundings) -> tuple[Row, ...]:
    """Aliases under every policy, with what they could be asked for before and after; none for an unusable draft.

    Every alias that may count otherwise is there; of the others at most so many that a page stays quick.
    """
    before, after = usable(serving, surroundings), usable(draft, surroundings)
    if after is None:
        return ()
    aliases, policies = names_of(*(snapshot for snapshot in (before, after) if snapshot))
    changed = touched(before, after) if before else aliases
    same = [alias for alias in aliases if alias not in set(changed)][: max(0, MOST_COUNTED - len(changed))]
    moment = time.time()
    new = reach(after, (*changed, *same), policies, moment)
    old = {**new, **reach(before, changed, policies, moment)} if before else {}
    return tuple(
        Row(alias, policy, policy or policy_behind(after, alias), _counts(alias, policy, old, new))
        for alias in sorted({*changed, *same})
        for policy in policies
    )


def _counts(alias: str, policy: str, old: Reach, new: Reach) -> tuple[Count, ...]:
    cells = (Cell(alias, policy, need) for need in NEEDS)
    return tuple(Count(cell, old.get(cell), new[cell]) for cell in cells)


def usable(document: Document | None, surroundings: Surroundings) -> Snapshot | None:
    """The document as it would serve here, None when it cannot."""
    try:
        return compile_snapshot(document, 0, surroundings) if document else None
    except CatalogueError:
        return None
