"""Tries what the gateway promises: `python -m bench.reliability [--short] [--only PART …] [--write]`."""

import argparse
import asyncio
import json
import os
import platform
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bench.__main__ import say
from bench.loads import CannotMeasure
from bench.reliability import chaos, publishing, soak, trials
from bench.reliability.asking import Client
from bench.reliability.figures import Figure, keep
from bench.reliability.ground import Ground, ground
from bench.reliability.matrix import matrix
from bench.reliability.report import page, write
from rainymodel_site.env import PROJECT
from rainymodel_site.postgres import PostgresError

ROLLING = {"RAINYMODEL_NOTICE_SECONDS": "3", "RAINYMODEL_DRAIN_SECONDS": "30"}  # as in production
ROLLING_PATIENCE = 180.0  # seconds until every worker must have been replaced
Try = Callable[[Ground, Client], Awaitable[Figure]]


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.reliability", description=__doc__)
    parser.add_argument(
        "--short", action="store_true", help="two minutes instead of an hour, for a first look"
    )
    parser.add_argument("--only", choices=PARTS, action="append", help="one part; may be repeated")
    parser.add_argument("--requests", type=int, help=f"of chaos, instead of {chaos.FULL.requests:,}")
    parser.add_argument("--minutes", type=float, help=f"of soak, instead of {soak.FULL.seconds / 60:.0f}")
    parser.add_argument("--write", action="store_true", help="write docs/reliability.md and .json")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Try and print; 1 when something does not hold or cannot be tried."""
    options = read_arguments(arguments)
    try:
        figures = [
            figure for part in options.only or PARTS for figure in PARTS[part](scale_of(part, options))
        ]
    except (CannotMeasure, PostgresError) as error:
        print(f"This cannot be tried: {error}", file=sys.stderr)
        return 1
    for figure in figures:
        said = f"{figure.name}: {figure.found} (to hold: {figure.to_hold}; {figure.run})"
        print(f"{'holds' if figure.holds else 'FAILS'}  {said}")
    if options.write:
        where = f"{datetime.now(UTC):%d %B %Y}, {os.cpu_count()} cores, Python {platform.python_version()}."
        write(page(keep(figures), matrix(), where))
    return 0 if all(figure.holds for figure in figures) else 1


def scale_of(part: str, options: argparse.Namespace) -> Any:
    """How much of a part is tried."""
    scale = (SHORT if options.short else FULL)[part]
    if part == "chaos" and options.requests:
        return replace(scale, requests=options.requests)
    if part == "soak" and options.minutes:
        return replace(scale, seconds=options.minutes * 60)
    return scale


def try_failing_upstreams(scale: trials.Scale) -> list[Figure]:
    """The trials, and beside them what litellm's router did before the same upstreams."""

    async def run(here: Ground) -> list[Figure]:
        async with Client(here.url, here.headers) as client:
            return [await trial(here, client, scale) for trial in trials.TRIALS]

    with ground() as here:
        say("upstreams that fail, each in its way")
        figures = asyncio.run(run(here))
        say("the same before litellm's router")
        other = ask_litellm(here.upstream, short=scale == trials.SHORT)
    return [replace(figure, litellm=other.get(figure.part, "–")) for figure in figures]


def try_rolling(streams: int) -> list[Figure]:
    """Workers replaced under load."""
    with ground(environment=ROLLING) as here:
        say("a rolling restart under load")
        return [
            with_client(here, lambda here, client: chaos.rolling(here, client, ROLLING_PATIENCE, streams))
        ]


def try_publishing(scale: publishing.Scale) -> list[Figure]:
    """Catalogues published under load."""
    with ground() as here:
        say(f"{scale.publications} publications while {scale.streams} streams run")
        return [with_client(here, lambda here, client: publishing.publishing(here, client, scale))]


def try_chaos(scale: chaos.Scale) -> list[Figure]:
    """Workers killed and Postgres frozen under load."""
    with ground() as here:
        say(f"{scale.requests:,} requests while workers are killed and Postgres is frozen")
        return [with_client(here, lambda here, client: chaos.chaos(here, client, scale))]


def try_soak(scale: soak.Scale) -> list[Figure]:
    """A long mixed load."""
    with ground(workers=1) as here:
        say(f"a mixed load for {scale.seconds:.0f} s")
        return [with_client(here, lambda here, client: soak.soak(here, client, scale))]


PARTS: dict[str, Callable[[Any], list[Figure]]] = {
    "trials": try_failing_upstreams,
    "rolling": try_rolling,
    "publishing": try_publishing,
    "chaos": try_chaos,
    "soak": try_soak,
}
FULL = {
    "trials": trials.FULL,
    "rolling": 200,
    "publishing": publishing.FULL,
    "chaos": chaos.FULL,
    "soak": soak.FULL,
}
SHORT = {
    "trials": trials.SHORT,
    "rolling": 20,
    "publishing": publishing.SHORT,
    "chaos": chaos.SHORT,
    "soak": soak.SHORT,
}


def with_client(here: Ground, attempt: Try) -> Figure:
    """What was found with a client of its own."""

    async def run() -> Figure:
        async with Client(here.url, here.headers) as client:
            return await attempt(here, client)

    return asyncio.run(run())


def ask_litellm(upstream: str, *, short: bool) -> dict[str, str]:
    """What litellm's router did, by part. Raises CannotMeasure."""
    command = [sys.executable, "-m", "bench.reliability.litellm_router", upstream]
    done = subprocess.run(
        [*command, "--short"] if short else command,
        cwd=PROJECT,
        env=os.environ | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        raise CannotMeasure("litellm's router could not be asked.")
    return dict(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started is stopped too
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
