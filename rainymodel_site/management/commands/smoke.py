"""`manage.py smoke --url URL`: ask a running gateway a few questions; exit with 1 when an answer is wrong."""

import json
import os
import sys
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError

from rainymodel_site.smoke import Check, Gateway, Questions, run

KEY_VARIABLE = "RAINYMODEL_API_KEY"


class Command(BaseCommand):
    """Works against any gateway with OpenAI's API; from ours it also learns who answered."""

    help = "Ask a running gateway for its models, a word of each, a stream, and its refusals."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where, with which key, and what."""
        parser.add_argument("--url", required=True, help="where it is, e.g. https://rm.orcest.ai")
        parser.add_argument("--key", default="", help=f"an API key; without it, the one in {KEY_VARIABLE}")
        parser.add_argument("--model", action="append", default=[], help="ask this model only (repeatable)")
        parser.add_argument("--models", default="", help="ask these models only, comma-separated")
        parser.add_argument(
            "--layers", action="store_true", help="also ask each provider of each model by itself"
        )
        parser.add_argument(
            "--allow-unconfigured", action="store_true", help="a model that is not set up is no failure"
        )
        parser.add_argument("--timeout", type=float, default=60.0, help="seconds for each answer (60)")
        parser.add_argument("--json", action="store_true", dest="as_json", help="print one JSON object")

    def handle(self, *args: Any, as_json: bool, **options: Any) -> None:
        """Print a line for each check and a sentence at the end."""
        gateway = Gateway(base_of(options["url"]), key_of(options["key"]), options["timeout"])
        models = [*options["model"], *options["models"].split(",")]
        questions = Questions(
            tuple(dict.fromkeys(name.strip() for name in models if name.strip())),
            options["layers"],
            options["allow_unconfigured"],
        )
        checks = []
        for check in run(gateway, questions):
            checks.append(check)
            if not as_json:
                self.stdout.write(check.line())
                self.stdout.flush()
        failed = [check for check in checks if not check.ok]
        if as_json:
            self.stdout.write(in_json(checks))
        else:
            self.stdout.write(f"\n{sentence(checks, failed)}")
        if failed:
            sys.exit(1)


def base_of(url: str) -> str:
    """The address without its /v1; raises CommandError for what is no http(s) address."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise CommandError("--url must be an address such as https://rm.orcest.ai or http://localhost:8080.")
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def key_of(given: str) -> str:
    """The key to ask with; it is never printed."""
    key = given.strip() or os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        raise CommandError(f"Give an API key with --key, or in {KEY_VARIABLE}.")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise CommandError("The API key holds a character that cannot be sent.")
    return key


def sentence(checks: list[Check], failed: list[Check]) -> str:
    """The whole in one sentence."""
    if not failed:
        return f"All {len(checks)} checks passed."
    return (
        f"{len(failed)} of {len(checks)} checks failed: {', '.join(check.name.strip() for check in failed)}."
    )


def in_json(checks: list[Check]) -> str:
    """The whole as an object."""
    return json.dumps(
        {"ok": all(check.ok for check in checks), "checks": [check.as_json() for check in checks]}, indent=2
    )
