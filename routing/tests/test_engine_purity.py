"""The engine decides from values alone, so the same question gets the same answer anywhere."""

import ast
from pathlib import Path

import pytest

import routing.engine

MODULES = sorted(Path(routing.engine.__file__).parent.glob("*.py"))
DATA_TYPES = {"bisect", "collections", "dataclasses", "decimal", "enum", "urllib.parse"}


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


@pytest.mark.parametrize("path", MODULES, ids=[path.stem for path in MODULES])
def test_an_engine_module_imports_data_types_and_the_engine_only(path):
    foreign = {
        name
        for name in imported(path)
        if not name.startswith("routing.engine.")
        and name not in DATA_TYPES
        and name.partition(".")[0] not in DATA_TYPES
    }

    assert foreign == set()
