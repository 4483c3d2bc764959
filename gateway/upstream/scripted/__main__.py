"""The scripted upstream as its own process: `python -m gateway.upstream.scripted --port 0 --name demo`."""

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import orjson

from gateway.upstream.scripted.scenarios import describe_scenarios
from gateway.upstream.scripted.server import MODELS, ScriptedUpstream

PARENT_CHECK_SECONDS = 0.25


def read_arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gateway.upstream.scripted", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--name", default="fake", help="who answers; `demo` lists the model `demo`")
    parser.add_argument("--model", action="append", help="a model to list; may be repeated")
    parser.add_argument("--ledger", type=Path, help="write the ledger to this file when stopping")
    parser.add_argument("--with-parent", action="store_true", help="stop when the parent process is gone")
    parser.add_argument("--list", action="store_true", help="print the scenarios and exit")
    return parser.parse_args(arguments)


async def serve(arguments: argparse.Namespace, parent: int) -> None:
    """Say where, serve until told to stop, write the ledger if asked."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    name, models = arguments.name, arguments.model or (["demo"] if arguments.name == "demo" else MODELS)
    upstream = await ScriptedUpstream.start(arguments.host, arguments.port, name=name, models=tuple(models))
    print(orjson.dumps({"base_url": upstream.base_url, "name": upstream.name}).decode(), flush=True)
    await wait_for_end(stopping, parent if arguments.with_parent else None)
    await upstream.stop()
    if arguments.ledger:
        arguments.ledger.write_bytes(orjson.dumps(upstream.ledger.as_json()))


async def wait_for_end(stopping: asyncio.Event, parent: int | None) -> None:
    """Until a signal, or until the parent has died and another process has adopted this one."""
    while not stopping.is_set() and parent in (None, os.getppid()):
        try:
            await asyncio.wait_for(stopping.wait(), PARENT_CHECK_SECONDS if parent else None)
        except TimeoutError:
            continue


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed: the benchmark's upstream should be the cheaper side."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def main(arguments: list[str]) -> int:
    parent = os.getppid()
    options = read_arguments(arguments)
    if options.list:
        print(describe_scenarios())
        return 0
    # Ten thousand kept entries would otherwise be walked again and again.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve(options, parent))
    except OSError as problem:
        print(f"The scripted upstream cannot start: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
