"""A copy of the wheel's PostgreSQL, for when root hands the server to a user who cannot reach the original.

So it is for a clone below /root. The state directory is no place for the copy, being private too.
"""

import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

from rainymodel_site.postgres.account import Account
from rainymodel_site.postgres.binaries import WHEEL, Binaries, version_text
from rainymodel_site.postgres.errors import PostgresError

# Only root may write there, so no one can plant a program under the name we expect; and unlike /tmp and
# /var/tmp it is not swept, and rarely mounted noexec.
SHARED_COPIES = Path("/var/cache/rainymodel")


def reachable_by(account: Account, binaries: Binaries, copies: Path = SHARED_COPIES) -> Binaries:
    """The same PostgreSQL where `account` may execute it: in place if it can, else a copy below `copies`."""
    if _runs(binaries, account):
        return binaries
    reason = "it is no part of a wheel that could be copied"
    if account.switch() and binaries.directory.parents[1].name == WHEEL:
        try:
            copy = _copy(binaries, copies)
            if _runs(copy, account):
                return copy
            reason = f"nor the copy {copy.postgres}"
        except OSError as error:
            reason = f"a copy failed: {error}"
    raise PostgresError(
        f"user id {account.uid} may not execute {binaries.postgres} ({reason}): "
        "start as an ordinary user who can, or set DATABASE_URL."
    )


def _runs(binaries: Binaries, account: Account) -> bool:
    # initdb rather than postgres: it also needs the libraries that its RPATH names.
    return bool(version_text(binaries.initdb, account))


def _copy(binaries: Binaries, place: Path) -> Binaries:
    """A complete copy below `place`, named after its content, that only root can have made."""
    with binaries.postgres.open("rb") as program:
        digest = hashlib.file_digest(program, "sha256").hexdigest()[:12]
    target = place / f"postgres-{binaries.major}-{digest}"
    if not place.exists():
        place.mkdir(parents=True)
        place.chmod(0o755)
    _require_that_only_root_writes(place)
    if not target.exists():
        _copy_files(binaries.directory.parent, target)
    _require_that_only_root_writes(target)
    return Binaries(target / binaries.directory.relative_to(binaries.directory.parents[2]), binaries.version)


def _require_that_only_root_writes(directory: Path) -> None:
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise PermissionError(f"{directory} could have been made or changed by another user than root")


def _copy_files(install: Path, target: Path) -> None:
    """Fill a neighbour and rename it, so that `target` is complete as soon as it exists."""
    working = Path(tempfile.mkdtemp(prefix=".copying-", dir=target.parent))
    try:
        _copy_layout(install, working)
        _open_for_reading(working)
        working.rename(target)
    except OSError:
        if not target.exists():  # else another launcher was quicker with the same files
            raise
    finally:
        shutil.rmtree(working, ignore_errors=True)


def _copy_layout(install: Path, working: Path) -> None:
    """Copy what a server needs, each file at the same distance from the others: RPATH is relative."""
    site = install.parents[1]
    kept = working / install.relative_to(site)
    kept.joinpath("bin").mkdir(parents=True)
    for program in ("postgres", "initdb"):
        shutil.copy(install / "bin" / program, kept / "bin" / program)
    for part in ("lib/postgresql", "share/postgresql"):
        shutil.copytree(install / part, kept / part, ignore=shutil.ignore_patterns("pgxs"))
    for libraries in (f"{WHEEL}.libs", f"{WHEEL}/.dylibs"):
        if (site / libraries).is_dir():
            shutil.copytree(site / libraries, working / libraries)


def _open_for_reading(tree: Path) -> None:
    """Let every user read and execute, whatever umask the wheel was installed with."""
    tree.chmod(0o755)
    for path in tree.rglob("*"):
        path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
