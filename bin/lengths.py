"""No file over 400 lines: a long one answers two questions. Tests and migrations may be longer."""

import sys
from collections.abc import Iterator
from pathlib import Path

LONGEST = 400
EXEMPT = frozenset({"tests", "migrations"})
NOT_OURS = frozenset({"build", "node_modules", "var"})


def long_files(root: Path) -> Iterator[tuple[Path, int]]:
    """The files that are too long, and how long they are."""
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root).parts
        if EXEMPT & set(parts) or NOT_OURS & set(parts) or any(part.startswith(".") for part in parts):
            continue
        count = file.read_text(encoding="utf-8").count("\n")
        if count > LONGEST:
            yield file.relative_to(root), count


def main(root: Path) -> int:
    """1 when a file is too long, each named."""
    found = list(long_files(root))
    for file, count in found:
        print(f"{file} has {count} lines, more than {LONGEST}: give one of its questions a file of its own.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()))
