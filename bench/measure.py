"""What another process has used, as the kernel counts it; and percentiles."""

import os
from collections.abc import Sequence
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def can_measure() -> bool:
    """Whether this system tells what its processes use."""
    return (PROC / "self" / "stat").exists()


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process, in steps of a hundredth of a second."""
    user, system = _stat(pid)[11:13]
    return (int(user) + int(system)) / TICKS_PER_SECOND


def resident_mb(pid: int) -> float:
    """Memory of a process that is in RAM now, in millions of bytes."""
    return _status_kib(pid, "VmRSS") * 1024 / 1e6


def peak_mb(pid: int) -> float:
    """The most it ever was."""
    return _status_kib(pid, "VmHWM") * 1024 / 1e6


def children(pid: int) -> list[int]:
    """The processes that `pid` has started and that still run."""
    found = []
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                parent = int(_stat(int(entry.name))[1])
            except (OSError, ValueError):  # it ended while we looked
                continue
            if parent == pid:
                found.append(int(entry.name))
    return found


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all values do not exceed; 0 of none."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on: the second, a name, may hold blanks and brackets."""
    return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def _status_kib(pid: int, name: str) -> int:
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        label, _, value = line.partition(":")
        if label == name:
            return int(value.split()[0])
    return 0
