"""The demonstration upstream as a process beside the workers; development only."""

import json
import os
import select
import subprocess
import sys
from contextlib import suppress

COMMAND = (
    sys.executable,
    "-m",
    "gateway.upstream.scripted",
    "--port",
    "0",
    "--name",
    "demo",
    "--with-parent",
)
PATIENCE = 15.0
VARIABLE = "RAINYMODEL_DEMO_URL"


class Demo:
    """Started early, asked for its address when the rest is ready, stopped last but for the database."""

    def __init__(self) -> None:
        # A process group of its own: Ctrl-C must not end it before the streams that it feeds.
        self._process = subprocess.Popen(
            COMMAND, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, process_group=0
        )

    def announce(self) -> bool:
        """Put its address into the environment that workers inherit; False when it has none to tell."""
        output = self._process.stdout
        if output is None or not select.select([output], [], [], PATIENCE)[0]:
            return False
        try:
            os.environ[VARIABLE] = json.loads(output.readline())["base_url"]
        except (ValueError, KeyError):
            return False
        return True

    def stop(self) -> None:
        """End it; what it said last is of no interest."""
        self._process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=2)
            return
        self._process.kill()
        self._process.wait()

    def __enter__(self) -> "Demo":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
