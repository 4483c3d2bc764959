"""`manage.py fake_upstream`: an upstream that plays every fault on demand, to try the gateway by hand."""

import asyncio
import signal
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gateway.upstream.scripted import ScriptedUpstream
from gateway.upstream.scripted.rows import describe_all, describe_rows

GUIDE = """\
An OpenAI-shaped upstream without a model. The model's name chooses what it plays:

  ok                                  answers with an echo, as every unknown name does
  silence                             takes the request and never answers
  status:code=429,retry_after=7       refuses with this status and this header
  cut:after=3                         breaks off after three pieces

Settings follow a colon, a comma between them; a value may be percent-encoded. --list shows every scenario, and which
rows of the fault matrix it plays. Point a provider at the base URL that is printed (address class: private), give it a
deployment whose model is a scenario, or `*` behind an alias such as `fake/*`, and ask for it.
"""


class Command(BaseCommand):
    """Serves until Ctrl-C; needs no database and changes nothing."""

    help = GUIDE
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        """The help keeps its lines."""
        return super().create_parser(
            prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to listen, or only what there is to play."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
        parser.add_argument(
            "--list", action="store_true", help="print every row and every scenario, and stop"
        )

    def handle(self, *args: Any, host: str, port: int, list: bool, **options: Any) -> None:
        """Print what there is, or serve."""
        if list:
            self.stdout.write("\n".join(["Rows of the fault matrix:", *describe_rows()]))
            self.stdout.write(
                "\n".join(["", "All scenarios, with what their settings are by default:", *describe_all()])
            )
            return
        try:
            asyncio.run(self.serve(host, port))
        except (OSError, OverflowError) as error:
            raise CommandError(f"Cannot listen on {host}:{port}: {error}. Choose another --port.") from None

    async def serve(self, host: str, port: int) -> None:
        """Say where, then serve until SIGINT or SIGTERM."""
        stopping = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        upstream = await ScriptedUpstream.start(host, port, name="fake")
        self.stdout.write("\n".join(welcome(upstream)))
        self.stdout.flush()
        await stopping.wait()
        await upstream.stop()
        totals = upstream.ledger.totals
        self.stdout.write(f"\nStopped after {totals.requests} requests.")


def welcome(upstream: ScriptedUpstream) -> list[str]:
    """Where it is, what to say to it, and where it says what it has seen."""
    root = upstream.base_url.removesuffix("/v1")
    body = '{"model": "status:code=429,retry_after=7", "messages": [{"role": "user", "content": "hi"}]}'
    return [
        f"Base URL   {upstream.base_url}",
        f"Ledger     {root}/__ledger__   (GET: requests, bytes, cancellations, hits of each model; DELETE: forget)",
        "Scenarios  are model names, such as ok, silence, cut:after=3; `manage.py fake_upstream --list` has them all",
        f"Try        curl -i {upstream.base_url}/chat/completions -d '{body}'",
        "Ctrl-C stops it.",
    ]
