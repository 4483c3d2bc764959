"""The server process over one data directory: who it is, and how it is stopped."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from rainymodel_site.postgres.client import POLL, is_listening
from rainymodel_site.postgres.errors import PostgresError
from rainymodel_site.postgres.layout import Layout

# A fast shutdown disconnects clients and writes a checkpoint; an immediate one leaves that to the next start.
STOP_REQUESTS = ((signal.SIGINT, 20.0), (signal.SIGQUIT, 10.0))


@dataclass(frozen=True)
class Server:
    """A postmaster; without `child` another process started it, so it cannot be waited for."""

    layout: Layout
    directory: Path  # of its socket
    pid: int
    child: subprocess.Popen[bytes] | None = None

    def running(self) -> bool:
        """Whether the process is there."""
        if self.child:
            return self.child.poll() is None
        return _is_alive(self.pid)

    def stop(self) -> None:
        """Disconnect the clients and end the process; committed data survives either way of stopping."""
        if not self.child and not is_listening(self.directory):
            return  # it ended by itself, and its number may be another program's by now
        for request, patience in STOP_REQUESTS:
            if self._ends_after(request, patience):
                return
        raise PostgresError(f"PostgreSQL (process {self.pid}) over {self.layout.data} does not stop.")

    def _ends_after(self, request: signal.Signals, patience: float) -> bool:
        deadline = time.monotonic() + patience
        if self.running():
            os.kill(self.pid, request)
        while self.running():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL / 4)
        return True


def server_found_running(layout: Layout, directory: Path) -> Server:
    """The server that answers in `directory`; the pid file is its own, as it holds the data."""
    pid = layout.server_pid()
    if pid is None:
        raise PostgresError(f"the server over {layout.data} has lost its pid file: stop it and start again.")
    return Server(layout, directory, pid)


def _is_alive(pid: int) -> bool:
    """Whether a process of this number runs; one that ended counts as ended even if nobody has collected it."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except OSError:  # not ours to signal, or a system without /proc
        return True
    return state != "Z"
