"""The hashed locks and pyproject.toml say the same: `locks.py check` (works offline) and `locks.py write` (needs uv).

Each lock begins with a digest of the dependencies it was made from, so a changed pyproject.toml is noticed without
asking an index.
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK, DEV_LOCK = "requirements.txt", "requirements-dev.txt"
MARK = "# made from dependencies with digest "
COMPILE = ("uv", "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--python-version", "3.11")
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


def digest(root: Path, lock: str) -> str:
    """What the lock depends on, in sixteen characters."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    parts = [project["requires-python"], *project["dependencies"]]
    if lock == DEV_LOCK:
        parts += project["optional-dependencies"]["dev"]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def problems(root: Path) -> Iterator[str]:
    """One sentence for each way in which the locks are not what pyproject.toml asks for."""
    pins = {lock: pins_of(root / lock) for lock in (LOCK, DEV_LOCK)}
    for lock in pins:
        text = (root / lock).read_text(encoding="utf-8")
        if not text.startswith(MARK + digest(root, lock) + "\n"):
            yield f"{lock} was not made from the dependencies that pyproject.toml names now."
        for entry in re.split(r"\n(?=[A-Za-z0-9])", text):
            if PINNED.match(entry) and "--hash=sha256:" not in entry:
                yield f"{lock} has no hash for {entry.split()[0]}."
    for name, version in pins[LOCK].items():
        if pins[DEV_LOCK].get(name) != version:
            yield f"{DEV_LOCK} has another version of {name} than {LOCK}."


def pins_of(lock: Path) -> dict[str, set[str]]:
    """Package → its versions; a universal lock may have several, for different Pythons."""
    pins: dict[str, set[str]] = {}
    for name, version in PINNED.findall(lock.read_text(encoding="utf-8")):
        pins.setdefault(name, set()).add(version)
    return pins


def write(root: Path, options: list[str]) -> None:
    """Resolve anew, keeping the present versions unless asked to upgrade."""
    if not shutil.which("uv"):
        sys.exit("Writing the locks needs uv.")
    compile_lock(root, LOCK, options)
    compile_lock(root, DEV_LOCK, [*options, "--extra", "dev", "-c", LOCK])


def compile_lock(root: Path, lock: str, options: list[str]) -> None:
    """One lock, with its mark."""
    subprocess.run([*COMPILE, "--no-header", *options, "pyproject.toml", "-o", lock], cwd=root, check=True)
    text = (root / lock).read_text(encoding="utf-8")
    (root / lock).write_text(
        f"{MARK}{digest(root, lock)}\n# by `make lock`; do not edit\n{text}", encoding="utf-8"
    )


def main(arguments: list[str]) -> int:
    """`check` or `write`."""
    if arguments[:1] == ["write"]:
        write(ROOT, arguments[1:])
    found = list(problems(ROOT))
    for problem in found:
        print(problem)
    if found:
        print("Run `make lock`.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
