"""`manage.py replay`: logged requests through another catalogue, or with providers pretended to be down."""

import json
import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from rainymodel_site.console.explain_catalogue import DRAFT, Unanswerable
from rainymodel_site.console.what_if_run import run
from rainymodel_site.console.what_if_start import Wanted, ask, cancel
from rainymodel_site.models import Replay

LOW_PRIORITY = 15
MOST_LINES = 10


class Command(BaseCommand):
    """Compares with what serves. Only metadata of the log is read, nobody is called, nothing is changed."""

    help = (
        "Replay the log's requests through the draft or another revision, and tell what would be different."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which replay of the page What if, or what to replay."""
        parser.add_argument(
            "id", nargs="?", type=int, help="run this replay, which the page What if asked for"
        )
        parser.add_argument("--days", type=int, default=1, help="how many days back (default: 1)")
        parser.add_argument("--revision", default=DRAFT, help="draft (default), live or a number")
        parser.add_argument(
            "--down", action="append", default=[], metavar="PROVIDER", help="pretend it is down"
        )
        parser.add_argument(
            "--down-deployment", action="append", default=[], metavar="SLUG", help="pretend it is down"
        )
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it and print the result; one that the page asked for runs at low priority and prints nothing."""
        if options["id"] is not None:
            os.nice(LOW_PRIORITY)
            run(self._known(options["id"]))
            return
        replay = self._asked(options)
        try:
            run(replay)
        except KeyboardInterrupt:
            cancel(replay)
            raise CommandError("Cancelled.") from None
        replay.refresh_from_db()
        if replay.state != Replay.State.DONE or replay.result is None:
            raise CommandError(replay.problem or "It was cancelled.")
        text = json.dumps(replay.result, indent=2) if options["json"] else "\n".join(in_words(replay.result))
        self.stdout.write(text)

    def _known(self, pk: int) -> Replay:
        replay = Replay.objects.filter(pk=pk).first()
        if replay is None:
            raise CommandError(f"There is no replay {pk}.")
        return replay

    def _asked(self, options: dict[str, Any]) -> Replay:
        down, deployments = tuple(options["down"]), tuple(options["down_deployment"])
        try:
            return ask(Wanted(options["days"], options["revision"], down, deployments))
        except Unanswerable as problem:
            raise CommandError(str(problem)) from None


def in_words(result: dict[str, Any]) -> list[str]:
    """The result as lines for a terminal."""
    cost = result["cost"]
    lines = [
        f"{result['requests']:,} requests, {result['serving']} → {result['other']}",
        f"{result['moved']:,} would go to another deployment, {result['stranded']:,} to nobody any more.",
        f"Cost: {dollars(cost['before'])} → {dollars(cost['after'])} (difference {dollars(cost['difference'])})"
        f" for {cost['known']:,} requests; of {cost['unknown']:,} it is not known.",
    ]
    for kind in ("tiers", "providers"):
        moved = [flow for flow in result[kind] if flow["from"] != flow["to"]]
        lines += ["", f"Between {kind}:"] if moved else []
        lines += [f"  {flow['from']} → {flow['to']}: {flow['requests']:,}" for flow in moved[:MOST_LINES]]
    lost = result["newly_stranded"]
    lines += ["", "Nobody would answer:"] if lost else []
    for one in lost[:MOST_LINES]:
        needs = f" with {', '.join(one['needs'])}" if one["needs"] else ""
        lines.append(f"  {one['alias']}{needs}: {one['requests']:,} ({one['why']})")
    return lines


def dollars(amount: str | None) -> str:
    """`$1.25`, or unknown."""
    return "unknown" if amount is None else f"${amount}".replace("$-", "-$")
