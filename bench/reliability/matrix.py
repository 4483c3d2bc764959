"""The fault matrix: which tests play which rows, read from the marks `@pytest.mark.fault("U01", …)` in the tests."""

import ast
import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rainymodel_site.env import PROJECT

ROWS = PROJECT / "gateway" / "tests" / "faults.csv"
PARTS = ("accounts", "bench", "gateway", "rainymodel_site", "routing")


@dataclass(frozen=True, slots=True)
class Row:
    """A fault, what is required of the gateway, and the tests that play it; `not_automated` says why none does."""

    row: str
    fault: str
    required: str
    not_automated: str
    tests: tuple[str, ...] = ()


def matrix() -> list[Row]:
    """All rows with the tests that play them."""
    players = marked()
    with ROWS.open(newline="", encoding="utf-8") as lines:
        return [Row(**line, tests=tuple(players.get(line["row"], ()))) for line in csv.DictReader(lines)]


def marked() -> dict[str, list[str]]:
    """Row → `file::test` of every test that carries its mark."""
    players: dict[str, list[str]] = defaultdict(list)
    for part in PARTS:
        for path in sorted((PROJECT / part).rglob("test_*.py")):
            for row, test in marks_in(path):
                players[row].append(test)
    return players


def marks_in(path: Path) -> Iterator[tuple[str, str]]:
    """The pairs of row and test that one file has; a mark of the whole module counts for the module."""
    name = str(path.relative_to(PROJECT))
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found = [row for decorator in node.decorator_list for row in rows_of(decorator)]
            yield from ((row, f"{name}::{node.name}") for row in found)
        elif isinstance(node, ast.Assign | ast.Call) and not is_decorator(node):
            yield from ((row, name) for row in module_rows(node))


def is_decorator(node: ast.AST) -> bool:
    """Calls are met twice: as decorators, which count for their function, and in `pytest.param(marks=…)`."""
    return isinstance(node, ast.Call) and not is_param(node)


def is_param(node: ast.Call) -> bool:
    """Whether this is a call of pytest.param."""
    return isinstance(node.func, ast.Attribute) and node.func.attr == "param"


def module_rows(node: ast.Assign | ast.Call) -> Iterator[str]:
    """The rows of `pytestmark = …`, or of the marks of one parameter."""
    if isinstance(node, ast.Assign):
        if any(isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets):
            yield from (row for inner in ast.walk(node.value) for row in rows_of(inner))
        return
    for keyword in node.keywords:
        if keyword.arg == "marks":
            yield from (row for inner in ast.walk(keyword.value) for row in rows_of(inner))


def rows_of(node: ast.AST) -> Iterator[str]:
    """The arguments of `pytest.mark.fault(…)`; nothing for any other expression."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "fault":
        yield from (str(each.value) for each in node.args if isinstance(each, ast.Constant))
