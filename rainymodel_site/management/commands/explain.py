"""`manage.py explain MODEL`: which deployments would be tried, in which order, and why not the others."""

import json
from argparse import ArgumentParser
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from rainymodel_site import env
from rainymodel_site.api.explain import as_json
from rainymodel_site.console.explain import Explanation, Question, explain, query_of
from rainymodel_site.console.explain_catalogue import LIVE, Unanswerable, read_catalogue
from routing.engine.health import Health
from routing.engine.plan import plan
from routing.engine.snapshot import CAPABILITIES, DIALECTS, Deployment
from routing.environment import Surroundings
from routing.provider_secrets import surroundings_here

SOME_URL = "http://127.0.0.1/v1"  # any: nothing is sent there
DEMONSTRATION = (
    "Until one of them can be called, the gateway of `make run` answers from its demonstration upstream, "
    "with text made up on the spot."
)


class Command(BaseCommand):
    """Asks a catalogue as this machine's environment sees it; what the workers think right now stands beside it."""

    help = "Explain where a request for MODEL would go. Nothing is called."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The parts of a request that routing looks at."""
        parser.add_argument("model", help="the model name that the client sends")
        parser.add_argument("--policy", default="", help="as in X-RainyModel-Policy")
        parser.add_argument("--provider", default="", help="as in X-RainyModel-Provider")
        parser.add_argument("--key", default="", help="label or id of a stored key, whose scopes count")
        parser.add_argument("--needs", default="", help=f"comma-separated, of: {', '.join(CAPABILITIES)}")
        parser.add_argument("--dialect", default="chat", choices=DIALECTS, help="what the client speaks")
        parser.add_argument("--tokens", type=int, default=0, help="estimated tokens of the input")
        parser.add_argument("--max-tokens", type=int, help="the most tokens of the answer that are asked for")
        parser.add_argument("--revision", default=LIVE, help="live (default), draft or a number")
        parser.add_argument("--json", action="store_true", help="the answer as POST /api/explain/ gives it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the plan as two tables, or as JSON."""
        question = read_question(options)
        try:
            found = explain(question)
        except Unanswerable as problem:
            raise CommandError(str(problem)) from None
        if options["json"]:
            self.stdout.write(json.dumps(as_json(found), ensure_ascii=False, indent=2))
            return
        if found.refused:
            raise CommandError(found.refused)
        lines = describe(found)
        if not found.ordered and demonstration_answers(question, surroundings_here()):
            lines += ["", DEMONSTRATION]
        self.stdout.write("\n".join(lines))


def read_question(options: dict[str, Any]) -> Question:
    """The question that the arguments ask; raises CommandError."""
    return Question(
        model=options["model"],
        policy=options["policy"],
        provider=options["provider"],
        key=options["key"],
        needs=read_needs(options["needs"]),
        dialect=options["dialect"],
        input_tokens=options["tokens"],
        max_tokens=options["max_tokens"],
        revision=options["revision"],
    )


def read_needs(text: str) -> frozenset[str]:
    """Capabilities from a comma-separated list; raises CommandError for an unknown one."""
    needs = frozenset(word.strip() for word in text.split(",") if word.strip())
    if unknown := sorted(needs - set(CAPABILITIES)):
        raise CommandError(f"--needs knows {', '.join(CAPABILITIES)}, but not {unknown[0]!r}.")
    return needs


def demonstration_answers(question: Question, here: Surroundings) -> bool:
    """Whether `make run` answers this from the demonstration upstream, whose address no other process knows."""
    if here.mode != env.DEVELOPMENT or here.demo_url:
        return False
    beside_it = read_catalogue(question.revision, replace(here, demo_url=SOME_URL)).snapshot
    return bool(plan(beside_it, query_of(question, None), Health(), now=0.0, draw=0.5).ordered)


def describe(found: Explanation) -> list[str]:
    """The plan as lines for a terminal."""
    tiers, name = " → ".join(found.tiers) or "as listed", found.question.model
    lines = [f"{name} → {found.alias}, policy {found.policy} ({tiers}), {found.catalogue.name}"]
    ordered = [(f"{place.number}.", *columns(place.deployment), place.price_words) for place in found.ordered]
    lines += ["", "Tried in this order:" if ordered else "No deployment is eligible.", *aligned(ordered)]
    troubled = [
        (f"{place.number}.", opinion.name, opinion.workers, opinion.story)
        for place in found.ordered
        for opinion in place.opinions
    ]
    lines += ["", "Right now:", *aligned(troubled)] if troubled else []
    rejected = [("–", *columns(one.deployment), one.reason, one.sentence) for one in found.rejected]
    lines += ["", "Left out:", *aligned(rejected)] if rejected else []
    return [*lines, "", *found.notes] if found.notes else lines


def columns(deployment: Deployment) -> tuple[str, str, str]:
    """Tier, label and upstream model."""
    return deployment.tier.slug, deployment.provider.upstream, deployment.model


def aligned(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """The rows as text columns."""
    table = list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    ]
