"""What `manage.py services status` shows, and the exit code that sums it up."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rainymodel_site.local_services.definitions import GATEWAY, Service
from rainymodel_site.local_services.health import READY, SILENT, DatabaseState, health, is_rainymodel
from rainymodel_site.local_services.records import Record, read_record

RUNNING, STOPPED, CRASHED, NOT_INSTALLED = "running", "stopped", "crashed", "not installed"
ELSEWHERE = "started elsewhere"
NOT_OURS = "a RainyModel that `manage.py services` did not start"
FINE, UNWELL, NOT_RUNNING = 0, 1, 3  # as LSB numbers a service's states
HEADINGS = ("service", "state", "pid", "uptime", "address", "restarts", "health")
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class ServiceState:
    """One service now. `health` is a READY only while the service runs; `pid` 0 means none. `remark` is for people."""

    name: str
    state: str
    pid: int
    uptime: float
    address: str
    restarts: int
    health: str
    remark: str = ""

    def row(self) -> tuple[str, ...]:
        """The table's line."""
        pid, uptime = (str(self.pid), span(self.uptime)) if self.pid else (NOTHING, NOTHING)
        return (self.name, self.state, pid, uptime, self.address, str(self.restarts), self._words())

    def _words(self) -> str:
        return f"{self.health}; {self.remark}" if self.remark else self.health


def service_state(service: Service) -> ServiceState:
    """How the service is. Crashed means that it ended without being told, or that its keeper did.

    Started elsewhere is a gateway of `make run` or the like: it is none of ours to stop, and nothing is wrong.
    """
    record = read_record(service.pid_file)
    state = _state(service, record)
    answer = health(service)
    if state == RUNNING:
        assert record is not None
        up = max(0.0, time.time() - record.since)
        return ServiceState(service.name, state, record.child, up, service.address, record.restarts, answer)
    if state == STOPPED and answer != SILENT and service.name == GATEWAY and is_rainymodel(service):
        return ServiceState(service.name, ELSEWHERE, 0, 0.0, service.address, 0, answer, NOT_OURS)
    words = NOTHING if answer == SILENT else "another program answers there"
    if record and record.child_runs():
        words = "left alone by its keeper"
    return ServiceState(service.name, state, 0, 0.0, service.address, record.restarts if record else 0, words)


def _state(service: Service, record: Record | None) -> str:
    if record is None or record.ended:
        return STOPPED if service.command else NOT_INSTALLED
    return RUNNING if record.keeper_runs() and record.child_runs() else CRASHED


def exit_code(states: Sequence[ServiceState], database: DatabaseState) -> int:
    """0 when all that is installed is ready and the database answers, 3 when something is stopped, else 1."""
    installed = [each for each in states if each.state != NOT_INSTALLED]
    if any(each.state == CRASHED for each in installed):
        return UNWELL
    if not installed or any(each.state == STOPPED for each in installed):
        return NOT_RUNNING
    return FINE if database.answers and all(each.health == READY for each in installed) else UNWELL


def table(states: Sequence[ServiceState]) -> str:
    """The states in columns under their headings."""
    rows = [HEADINGS, *(each.row() for each in states)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def span(seconds: float) -> str:
    """A length of time in its two largest units: `42 s`, `3 min 5 s`, `2 h 0 min`, `9 d 4 h`."""
    whole = int(seconds)
    for size, unit, smaller, name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // smaller} {name}"
    return f"{whole} s"
