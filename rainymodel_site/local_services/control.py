"""Starting and stopping a service, told in sentences. Only processes whose pid file proves to be ours are signalled."""

import fcntl
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rainymodel_site import env
from rainymodel_site.local_services.definitions import GATEWAY, Service
from rainymodel_site.local_services.health import READY, health, is_rainymodel
from rainymodel_site.local_services.keeper import Task
from rainymodel_site.local_services.logfile import tail
from rainymodel_site.local_services.processes import signal_group
from rainymodel_site.local_services.records import KILLED, Record, read_record

POLL = 0.1  # seconds
LAST_LINES = 15
KEEPER_MARGIN = 10.0  # seconds that a keeper may take on top of its service's stop


class Trouble(Exception):
    """A service did not do as it was told; the message says what happened and what to look at."""


@contextmanager
def one_at_a_time(directory: Path) -> Iterator[None]:
    """Two commands that start and stop at once would undo each other; the second one raises Trouble."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Trouble("Another `manage.py services` is at work: wait until it has finished.") from None
    finally:
        os.close(descriptor)


def start(service: Service, patience: float | None = None) -> str:
    """Start it and wait until it answers; a sentence. Raises Trouble with the log's end when it does not come up."""
    record = read_record(service.pid_file)
    if record and record.keeper_runs():
        return f"{service.name} runs already (process {record.child or record.pid})."
    clear(service)
    is_taken = _is_listening(service)  # whoever answers there now is somebody else
    if is_taken and service.name == GATEWAY and is_rainymodel(service):
        raise Trouble(
            f"A RainyModel that `manage.py services` did not start serves at {service.address} already: leave it "
            "(`manage.py services start open-webui` adds the chat page), or stop it where it was started."
        )
    token, keeper = _launch(service)
    deadline = time.monotonic() + (service.start_patience if patience is None else patience)
    while time.monotonic() < deadline:
        if failure := _failure(service, token, keeper):
            _end_keeper(service)
            raise Trouble(f"{service.name} {failure}. The end of {service.log_file}:\n{_last_words(service)}")
        if not is_taken and health(service) == READY and (ready := read_record(service.pid_file)):
            return f"{service.name} serves at {service.address} (process {ready.child})."
        time.sleep(POLL)
    raise Trouble(
        f"{service.name} runs but is not ready yet: {health(service)}. It goes on trying; look again with "
        f"`manage.py services status`. The end of {service.log_file}:\n{_last_words(service)}"
    )


def stop(service: Service) -> str:
    """Stop it and wait for its end; a sentence that says whether it had to be killed."""
    record = read_record(service.pid_file)
    if record is None or not record.keeper_runs():
        return clear(service) or f"{service.name} does not run."
    began = time.monotonic()
    killed = _end_keeper(service)
    took = f"after {time.monotonic() - began:.1f} s"
    return f"{service.name} {'did not stop in time and was killed' if killed else 'stopped'} {took}."


def clear(service: Service) -> str:
    """Remove a pid file whose keeper is gone, and end the service it left behind; a sentence, empty without any."""
    record = read_record(service.pid_file)
    said = ""
    if record and not record.ended and not record.keeper_runs():
        said = f"{service.name} does not run; its old pid file is removed."
        if record.child_runs():
            _end_orphan(record)
            said = f"{service.name} had lost its keeper and is stopped."
    service.pid_file.unlink(missing_ok=True)
    return said


def _launch(service: Service) -> tuple[str, subprocess.Popen[bytes]]:
    """A keeper without a terminal; what it says itself (an error of ours) goes to the log as well."""
    token = secrets.token_hex(8)
    service.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    task = Task(
        token, service.pid_file, service.log_file, service.directory, service.stop_patience, service.command
    )
    descriptor = os.open(service.log_file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        keeper = subprocess.Popen(
            task.arguments(),
            cwd=env.PROJECT,
            env=dict(service.environment),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    return token, keeper


def _failure(service: Service, token: str, keeper: subprocess.Popen[bytes]) -> str:
    """How the start has failed; empty while it has not."""
    record = read_record(service.pid_file)
    if record and record.token == token and record.last_end:
        return record.last_end
    return "lost its keeper" if keeper.poll() is not None else ""


def _end_keeper(service: Service) -> bool:
    """Have the keeper stop its service and end; whether the service had to be killed."""
    record = read_record(service.pid_file)
    if record is None or not record.keeper_runs():
        clear(service)
        return False
    with suppress(ProcessLookupError):
        os.kill(record.pid, signal.SIGTERM)
    if not _within(record.patience + KEEPER_MARGIN, lambda: not record.keeper_runs()):
        os.kill(record.pid, signal.SIGKILL)
        _within(KEEPER_MARGIN, lambda: not record.keeper_runs())
    last = read_record(service.pid_file)
    clear(service)
    return last is not None and last.ended in {KILLED, ""}


def _end_orphan(record: Record) -> None:
    """End a service whose keeper was killed."""
    with suppress(ProcessLookupError):
        os.kill(record.child, signal.SIGTERM)
    if not _within(record.patience, lambda: not record.child_runs()):
        signal_group(record.child, signal.SIGKILL)
        _within(KEEPER_MARGIN, lambda: not record.child_runs())


def _within(seconds: float, claim: Callable[[], bool]) -> bool:
    """Whether the claim comes true in time."""
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL)
    return True


def _is_listening(service: Service) -> bool:
    try:
        socket.create_connection((service.host, service.port), timeout=2).close()
    except OSError:
        return False
    return True


def _last_words(service: Service) -> str:
    return "\n".join(f"    {line}" for line in tail(service.log_file, LAST_LINES)) or "    (empty)"
