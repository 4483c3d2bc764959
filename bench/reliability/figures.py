"""One figure of reliability, and where the figures of the last runs are kept."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rainymodel_site.env import PROJECT

KEPT = PROJECT / "docs" / "reliability.json"


@dataclass(frozen=True, slots=True)
class Figure:
    """`found` is what was seen, in words; `holds` whether it is what `to_hold` asks.

    `litellm` is what litellm's router did with the same upstreams, where it can be asked; `run` says how much was
    tried. A figure takes the place of the one before it under the same `part`.
    """

    part: str
    name: str
    to_hold: str
    found: str
    holds: bool
    run: str = ""
    litellm: str = "–"


def keep(figures: Sequence[Figure], path: Path = KEPT) -> list[Figure]:
    """Put these in the place of what was kept of their parts; all that are kept now."""
    merged = {figure.part: figure for figure in kept(path)} | {figure.part: figure for figure in figures}
    path.write_text(
        json.dumps([asdict(figure) for figure in merged.values()], indent=1, ensure_ascii=False) + "\n"
    )
    return list(merged.values())


def kept(path: Path = KEPT) -> list[Figure]:
    """The figures of earlier runs; none where there is no such file."""
    return [Figure(**each) for each in json.loads(path.read_text())] if path.exists() else []
