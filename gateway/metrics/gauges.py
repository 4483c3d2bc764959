"""What is true of a worker at this moment, read when its figures are written or scraped."""

import os
import resource
from contextlib import suppress
from typing import TYPE_CHECKING

from gateway.authenticate import BAD_KEYS
from gateway.states.standing import standing

if TYPE_CHECKING:
    from gateway.services import Services

STATES = ("closed", "half_open", "demoted", "held", "open")  # a circuit's value is its place here
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
Gauges = dict[str, float]
NAMES = {
    "ready": "1 while the worker takes requests.",
    "revision": "The catalogue revision that the worker serves.",
    "requests_in_flight": "Requests admitted and not ended.",
    "log_rows_waiting": "Log rows that are not in Postgres yet.",
    "database_unseen_seconds": "Seconds since Postgres last answered about the catalogue.",
    "open_files": "File descriptors in use.",
    "resident_memory_bytes": "Memory in use.",
    # From here on numbers that only grow while the worker lives.
    "log_rows_written_total": "Log rows written to Postgres.",
    "log_rows_refused_total": "Log rows that Postgres refused and that were set aside.",
    "log_rows_dropped_total": "Log rows dropped because memory and journal were full.",
    "journal_refused_total": "Records the journal could not take.",
    "bad_keys_total": "Requests with a key that opens nothing.",
    "loop_stalls_total": "Times the event loop stood still for more than 0.25 s.",
    "cpu_seconds_total": "CPU time used.",
}


def read_gauges(services: "Services") -> Gauges:
    """NAMES, with their values."""
    recorder, store = services.recorder, services.store
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "ready": float(not services.not_ready()),
        "revision": store.revision,
        "requests_in_flight": recorder.opened - recorder.closed - recorder.discarded,
        "log_rows_waiting": recorder.waiting,
        "database_unseen_seconds": round(store.unseen_for, 1),
        "open_files": open_files(),
        "resident_memory_bytes": resident_memory(),
        "log_rows_written_total": recorder.written,
        "log_rows_refused_total": recorder.set_aside,
        "log_rows_dropped_total": recorder.dropped,
        "journal_refused_total": recorder.journal.refused if recorder.journal else 0,
        "bad_keys_total": BAD_KEYS.total,
        "loop_stalls_total": services.lifecycle.stalls,
        "cpu_seconds_total": used.ru_utime + used.ru_stime,
    }


def read_circuits(services: "Services") -> dict[str, float]:
    """Each deployment's state with this worker, as its place in STATES."""
    if not services.store.is_loaded:
        return {}
    health, now = services.live.health, services.clock()
    found = services.store.current.deployments
    return {slug: STATES.index(standing(health, one, now).state) for slug, one in found.items()}


def read_running(services: "Services") -> dict[str, float]:
    """How many requests this worker has at each provider it ever asked."""
    return dict(services.live.running)


def open_files() -> int:
    """How many, 0 where the system does not tell."""
    with suppress(OSError):
        return len(os.listdir("/dev/fd"))
    return 0


def resident_memory() -> int:
    """Bytes, 0 where the system does not tell."""
    with suppress(OSError), open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * PAGE_BYTES
    return 0
