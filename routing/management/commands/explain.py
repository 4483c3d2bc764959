"""`manage.py explain MODEL`: which deployments would be tried, in which order, and why not the others."""

import time
from argparse import ArgumentParser
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from rainymodel_site import env
from routing.compile import compile_snapshot
from routing.document import CatalogueError
from routing.engine.errors import RoutingError
from routing.engine.health import Health
from routing.engine.plan import Plan, plan
from routing.engine.query import Query
from routing.engine.snapshot import CAPABILITIES, DIALECTS, Deployment, Snapshot
from routing.environment import Surroundings
from routing.provider_secrets import surroundings_here
from routing.publish import newest_revision

SOME_URL = "http://127.0.0.1/v1"  # any: nothing is sent there
DEMONSTRATION = (
    "Until one of them can be called, the gateway of `make run` answers from its demonstration upstream, "
    "with text made up on the spot."
)


class Command(BaseCommand):
    """Asks the published catalogue, as this machine's environment sees it, with every deployment healthy."""

    help = "Explain where a request for MODEL would go."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The parts of a request that routing looks at."""
        parser.add_argument("model", help="the model name that the client sends")
        parser.add_argument("--policy", help="as in X-RainyModel-Policy")
        parser.add_argument("--provider", help="as in X-RainyModel-Provider")
        parser.add_argument("--needs", default="", help=f"comma-separated, of: {', '.join(CAPABILITIES)}")
        parser.add_argument("--dialect", default="chat", choices=DIALECTS, help="what the client speaks")
        parser.add_argument("--tokens", type=int, default=0, help="estimated tokens of the input")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the plan as two tables."""
        query = Query(
            model=options["model"],
            policy=options["policy"],
            provider=options["provider"],
            needs=read_needs(options["needs"]),
            dialect=options["dialect"],
            input_tokens=options["tokens"],
            time=time.time(),
        )
        here = surroundings_here()
        try:
            found = plan(published_snapshot(here), query, Health(), now=0.0, draw=0.5)
        except RoutingError as error:
            raise CommandError(str(error)) from None
        lines = describe(found, query)
        if not found.ordered and demonstration_answers(query, here):
            lines += ["", DEMONSTRATION]
        self.stdout.write("\n".join(lines))


def read_needs(text: str) -> frozenset[str]:
    """Capabilities from a comma-separated list; raises CommandError for an unknown one."""
    needs = frozenset(word.strip() for word in text.split(",") if word.strip())
    if unknown := sorted(needs - set(CAPABILITIES)):
        raise CommandError(f"--needs knows {', '.join(CAPABILITIES)}, but not {unknown[0]!r}.")
    return needs


def demonstration_answers(query: Query, here: Surroundings) -> bool:
    """Whether `make run` answers this from the demonstration upstream, whose address no other process knows."""
    if here.mode != env.DEVELOPMENT or here.demo_url:
        return False
    beside_it = replace(here, demo_url=SOME_URL)
    return bool(plan(published_snapshot(beside_it), query, Health(), now=0.0, draw=0.5).ordered)


def published_snapshot(here: Surroundings) -> Snapshot:
    """The newest revision, compiled for this machine; raises CommandError when there is none that compiles."""
    revision = newest_revision()
    if revision is None:
        raise CommandError("Nothing has been published yet; run manage.py load_catalogue.")
    try:
        return compile_snapshot(revision.document, revision.number, here)
    except CatalogueError as error:
        raise CommandError(f"Revision {revision.number} cannot be used: {error}") from None


def describe(found: Plan, query: Query) -> list[str]:
    """The plan as lines for a terminal."""
    tiers = " → ".join(found.tier_order) or "as listed"
    lines = [
        f"{found.requested} → {found.alias.name}, policy {found.policy.name} ({tiers}), revision {found.revision}"
    ]
    ordered = [
        (f"{place}.", *columns(deployment), price(deployment, query.time))
        for place, deployment in enumerate(found.ordered, start=1)
    ]
    lines += ["", "Tried in this order:" if ordered else "No deployment is eligible.", *aligned(ordered)]
    rejected = [
        ("–", *columns(rejection.deployment), rejection.reason, rejection.detail)
        for rejection in found.rejected
    ]
    return [*lines, "", "Left out:", *aligned(rejected)] if rejected else lines


def columns(deployment: Deployment) -> tuple[str, str, str]:
    """Tier, label and upstream model."""
    return deployment.tier.slug, deployment.provider.upstream, deployment.model


def price(deployment: Deployment, moment: float) -> str:
    """What a million tokens cost in and out, at the moment."""
    current = deployment.price_at(moment)
    if current is None or current.input is None or current.output is None:
        return "price unknown"
    return f"${current.input} in, ${current.output} out per million tokens"


def aligned(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """The rows as text columns."""
    table = list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
