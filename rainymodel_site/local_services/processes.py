"""Which process is which: a number alone may be another program's by now."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")


def birth(pid: int) -> str | None:
    """When the process began, in words that no other process of this number shares; None when none runs."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return None if fields[0] == "Z" else f"{BOOT.read_text().strip()}/{fields[19]}"
    except OSError:
        return None if Path("/proc/self/stat").exists() else _asked_of_ps(pid, "lstart")


def has_argument(pid: int, word: str) -> bool:
    """Whether the process was started with this word on its command line."""
    try:
        return os.fsencode(word) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return word in (_asked_of_ps(pid, "command") or "").split()


def signal_group(leader: int, number: int) -> None:
    """Signal a process group that may be gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _asked_of_ps(pid: int, what: str) -> str | None:
    command = ["ps", "-o", f"{what}=", "-p", str(pid)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
