"""The test suite; the few tests that fail while others share the machine are tried once more, alone.

    python bin/suite.py -q -n 2 gateway        # the arguments are pytest's

Some tests measure time (a limit of 250 ms, a worker that must start), and a busy machine breaks them without a fault in
the project. What fails twice is a fault; what passes alone is named, so that nobody learns to overlook it.
"""

import json
import subprocess
import sys
from pathlib import Path

TESTS_FAILED = 1  # pytest's exit status; others are an interrupted, wrong or empty run
FEW = 10
FAILED = Path(".pytest_cache/v/cache/lastfailed")


def pytest(*arguments: str) -> int:
    """Run it; its exit status."""
    return subprocess.run([sys.executable, "-m", "pytest", *arguments], check=False).returncode


def failed() -> list[str]:
    """The tests that failed in the run before, as pytest names them."""
    return sorted(json.loads(FAILED.read_text())) if FAILED.exists() else []


def main(arguments: list[str]) -> int:
    """pytest's exit status, of the second run where there was one."""
    FAILED.unlink(missing_ok=True)
    status = pytest(*arguments)
    again = failed()
    if status != TESTS_FAILED or not 0 < len(again) <= FEW:
        return status
    print(f"\nFailed: {len(again)}. Trying once more, alone:", *again, sep="\n  ", flush=True)
    if (status := pytest("-q", *again)) == 0:
        print("\nPassed alone, failed beside the others:", *again, sep="\n  ", flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
