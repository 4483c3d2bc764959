"""The test command: what fails twice fails, what only failed beside others is named."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).resolve().parents[2] / "bin/suite.py"
ONCE = """
from pathlib import Path
def test_busy():
    seen = Path("seen")
    first = not seen.exists()
    seen.touch()
    assert not first
"""


def suite(directory: Path) -> subprocess.CompletedProcess[str]:
    """The command in a directory of its own."""
    command = [sys.executable, SUITE, "-q"]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("DJANGO_", "PYTEST_"))}
    return subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("def test_well(): pass", 0, "1 passed"),
        (ONCE, 0, "Passed alone, failed beside the others:\n  test_it.py::test_busy"),
        ("def test_wrong(): assert False", 1, "Trying once more, alone:\n  test_it.py::test_wrong"),
        ("def test_many(): assert False\nimport pytest\n@pytest.mark.parametrize('n', range(11))\n"
         "def test_all(n): assert False", 1, "12 failed"),
        ("import missing_module", 2, "1 error"),
    ],
    ids=["well", "busy", "wrong", "many", "broken"],
)  # fmt: skip
def test_a_failure_is_tried_once_more_alone(tmp_path: Path, code: str, status: int, said: str):
    (tmp_path / "test_it.py").write_text(code)
    found = suite(tmp_path)
    assert (found.returncode, said in found.stdout) == (status, True), found.stdout
    assert ("Trying once more" in found.stdout) == (code == ONCE or "test_wrong" in code)
