"""A service's pid file: who keeps it, who it is, and how it fared. The keeper writes it, the commands read it."""

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rainymodel_site.local_services.processes import birth, has_argument

STOPPED, KILLED = "stopped", "killed"


@dataclass(frozen=True, slots=True)
class Record:
    """`pid` is the keeper's and `child` the service's own, 0 between two lives; `since` is the child's Unix time.

    `patience` is the seconds that the service may take to stop before its keeper kills it.
    `last_end` says how the child ended last, `ended` (stopped or killed) that the keeper has finished in order.
    """

    pid: int
    born: str
    token: str
    patience: float
    child: int = 0
    child_born: str = ""
    since: float = 0.0
    restarts: int = 0
    last_end: str = ""
    ended: str = ""

    def keeper_runs(self) -> bool:
        """Whether the keeper lives: the same number, the same birth and the same token."""
        return self.pid > 1 and birth(self.pid) == self.born and has_argument(self.pid, self.token)

    def child_runs(self) -> bool:
        """Whether the service's own process lives."""
        return self.child > 1 and birth(self.child) == self.child_born


def read_record(file: Path) -> Record | None:
    """What the pid file says; None when there is none, or nothing that a keeper would have written."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return Record(**found) if _fits(found) else None


def write_record(file: Path, record: Record) -> None:
    """Replace the pid file as a whole, for its owner only."""
    draft = file.with_name(f"{file.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        json.dump(asdict(record), handle)
    draft.replace(file)


def _fits(found: Any) -> bool:
    if not isinstance(found, dict):
        return False
    kinds = {each.name: each.type for each in fields(Record)}
    return set(found) == set(kinds) and all(
        type(value) is kinds[name] or (kinds[name] is float and type(value) is int)
        for name, value in found.items()
    )
