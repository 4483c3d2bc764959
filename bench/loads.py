"""What a client process is told to do, what it reports, and how it is started."""

import json
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.cores import on
from rainymodel_site.env import PROJECT

PATIENCE = 60.0  # seconds beyond a load's own time until its client counts as hanging

SYSTEM = "You answer questions about the weather briefly, in plain words, and say so when you do not know."
QUESTION = (
    "It has rained here since Tuesday and the river stands a hand below the path behind the house. The forecast "
    "promises another twenty millimetres by tomorrow noon, then wind from the west. Should we carry the boxes in "
    "the cellar upstairs tonight, or is it early enough in the morning?"
)


class CannotMeasure(Exception):
    """The benchmark cannot go on; one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Load:
    """`kind` is `answers` (connections that ask again and again), `streams` (connections that open one stream each)
    or `turns` (one request at a time, to each target in turn).

    `targets` are pairs of a loopback port and a whole HTTP request. Measuring starts after `warm_up` seconds and takes
    `seconds`; `watched` is the process whose CPU time is read at both ends. A whole stream has `events` events.
    """

    kind: str
    targets: list[tuple[int, str]]
    warm_up: float
    seconds: float
    watched: int
    connections: int = 1
    events: int = 0


@dataclass(frozen=True, slots=True)
class Result:
    """`answered` counts whole answers by target, over the load's whole life; `failed` all that were not.

    In the window `units` answers or stream events arrived within `seconds`, and the watched process used `cpu` seconds.
    `p50` and `p99` are the window's milliseconds by target.
    """

    answered: list[int]
    failed: int
    units: int
    seconds: float
    cpu: float
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)

    @property
    def cpu_us(self) -> float:
        """CPU microseconds for each unit."""
        return self.cpu / self.units * 1e6 if self.units else float("nan")

    @property
    def per_second(self) -> float:
        """Units that arrived in each second."""
        return self.units / self.seconds

    @property
    def busy(self) -> float:
        """The share of one core that the watched process used."""
        return self.cpu / self.seconds


def chat_request(port: int, model: str, key: str = "", *, stream: bool = False) -> str:
    """A chat completion of ordinary size as a whole HTTP request."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTION}]
    payload: dict[str, Any] = {"model": model, "messages": messages, "temperature": 0.2, "max_tokens": 400}
    whole = {
        "stream": True,
        "max_tokens": 4000,
    }  # the gateway ends an answer that is much longer than was asked for
    body = json.dumps(payload | whole if stream else payload)
    authorization = f"Authorization: Bearer {key}\r\n" if key else ""
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{authorization}"
        f"User-Agent: bench\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )


def run_load(load: Load, cores: frozenset[int]) -> Result:
    """Play the load from a process of its own; raises CannotMeasure when that fails."""
    command = [sys.executable, "-m", "bench.client", json.dumps(asdict(load))]
    limit = load.warm_up * 2 + load.seconds + PATIENCE
    with on(cores):
        try:
            done = subprocess.run(
                command, cwd=PROJECT, capture_output=True, text=True, timeout=limit, check=False
            )
        except subprocess.TimeoutExpired:
            raise CannotMeasure(f"The client of the {load.kind} did not end within {limit:.0f} s.") from None
    if done.returncode:
        raise CannotMeasure(f"The client of the {load.kind} failed: {last_line(done.stderr)}")
    return Result(**json.loads(done.stdout))


def last_line(text: str) -> str:
    """The end of an error report, which is where Python says what was wrong."""
    return (text.strip().splitlines() or ["no reason given"])[-1]
