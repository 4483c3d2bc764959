"""What an import finds here: the catalogue as it stands, this process's environment, and what was asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from routing import seeds
from routing.document import Document
from routing.environment import Surroundings


@dataclass(frozen=True, slots=True)
class Situation:
    """`deleted` are the names of aliases that were loaded here once and deleted since."""

    catalogue: Document
    surroundings: Surroundings
    environ: Mapping[str, str] = field(repr=False)
    now: datetime
    overwrite: bool = False
    deleted: frozenset[str] = frozenset()

    def rows(self, section: str, key: str = "slug") -> dict[str, dict[str, Any]]:
        """The rows of a section by their names."""
        return {entry[key]: entry for entry in self.catalogue[section]}

    def tiers(self) -> dict[str, dict[str, Any]]:
        """The tiers by slug: the catalogue's, and the starting ones that it lacks."""
        return starting()["tiers"] | self.rows("tiers")


@lru_cache(maxsize=1)
def starting() -> dict[str, Any]:
    """The starting catalogue's sections, as its reviewed file has them."""
    data: dict[str, Any] = yaml.safe_load(
        (Path(seeds.__file__).parent / "start.yaml").read_text(encoding="utf-8")
    )
    return data
