"""docs/reliability.md: the figures of the last runs, and which tests play which row of the fault matrix."""

from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from bench.reliability.figures import Figure
from bench.reliability.matrix import Row
from rainymodel_site.env import PROJECT

PAGE = PROJECT / "docs" / "reliability.md"
ROWS_TO_HOLD = 130
BEGINNING = """\
# Reliability

Made by `make reliability`, about an hour (`python -m bench.reliability --short` is a first look and writes nothing).
Each figure is tried with a supervised gateway, a Postgres and a fake upstream on one machine, over real sockets.
Beside it stands what litellm's router did before the same upstreams ({litellm}), set up as its documentation begins:
a fallback for the failing model, its own defaults otherwise.

"""
MATRIX = """
## The fault matrix

Each row is a fault and what is required when it happens; the tests beside it play it, with real sockets on both
sides. `make test ARGS="-m fault"` runs them.

"""


def page(figures: Sequence[Figure], rows: Sequence[Row], where: str) -> str:
    """The whole page."""
    return "\n".join(
        [
            BEGINNING.format(litellm=f"version {version('litellm')}").rstrip(),
            "",
            *table(
                ("figure", "to hold", "measured", "held", "tried with", "litellm's router"),
                lines(figures, rows),
            ),
            "",
            where,
            MATRIX.rstrip(),
            "",
            *table(("row", "fault", "required", "played by"), map(matrix_line, rows)),
            "",
        ]
    )


def lines(figures: Sequence[Figure], rows: Sequence[Row]) -> Iterator[tuple[str, ...]]:
    """The table's rows, the matrix's own first."""
    played = sum(bool(row.tests) for row in rows)
    held = "yes" if played >= ROWS_TO_HOLD else "**no**"
    missing = ", ".join(row.row for row in rows if not row.tests) or "none"
    yield (
        "matrix rows automated",
        f"≥ {ROWS_TO_HOLD}",
        f"{played} of {len(rows)}",
        held,
        f"missing: {missing}",
        "–",
    )
    for each in figures:
        yield each.name, each.to_hold, each.found, "yes" if each.holds else "**no**", each.run, each.litellm


def matrix_line(row: Row) -> tuple[str, ...]:
    """One fault; where no test plays it, why."""
    names = [test.rpartition("/")[2].replace("::", " ") for test in row.tests]
    return row.row, row.fault, row.required, "<br>".join(names) or row.not_automated or "nothing yet"


def table(head: Sequence[str], body: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A table in Markdown."""
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for cells in body:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def write(text: str, path: Path = PAGE) -> None:
    """Put the page in its place."""
    path.write_text(text, encoding="utf-8")
