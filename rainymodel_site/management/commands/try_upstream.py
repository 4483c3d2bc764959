"""`manage.py try_upstream NAME …`: one tiny request to a provider or deployment, as the gateway would send it."""

from argparse import ArgumentParser
from typing import Any

from asgiref.sync import async_to_sync
from django.core.management.base import BaseCommand, CommandError

from gateway.visible import visible_line
from rainymodel_site.console.catalogue import Draft, DraftUnusable, read_draft
from rainymodel_site.console.trial import try_all
from routing.engine.snapshot import Deployment


class Command(BaseCommand):
    """Costs a few tokens at the provider; changes nothing here."""

    help = "Send one tiny request to providers or deployments, and say what came of it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whom to try."""
        parser.add_argument(
            "names", nargs="+", metavar="NAME", help="a provider (its first deployment) or a deployment"
        )

    def handle(self, *args: Any, names: list[str], **options: Any) -> None:
        """Try all at once, print a line for each; exit with 1 when one failed."""
        try:
            draft = read_draft()
        except DraftUnusable as error:
            raise CommandError(str(error)) from None
        chosen = [find(draft, name) for name in names]
        self.stderr.write(f"asking {', '.join(one.slug for one in chosen)} …", lambda words: words)
        trials = async_to_sync(try_all)(draft, chosen)
        for trial in trials:
            said = f" “{visible_line(trial.said)}”" if trial.said else ""
            advice = f" {trial.advice}" if trial.advice else ""
            mark = "ok  " if trial.worked else "FAIL" if trial.tried else "----"
            self.stdout.write(f"{mark} {trial.deployment}: {visible_line(trial.story)}{said}{advice}")
        if failed := sum(not trial.worked for trial in trials):
            raise CommandError(f"{failed} of {len(trials)} failed.")


def find(draft: Draft, name: str) -> Deployment:
    """The deployment of that slug, else the provider's first one; raises CommandError."""
    if name in draft.snapshot.deployments:
        return draft.snapshot.deployments[name]
    if name not in draft.snapshot.providers:
        raise CommandError(f"There is no provider and no deployment {name!r}.")
    first = draft.first_of(name)
    if first is None:
        raise CommandError(f"{name} has no deployment yet; `manage.py discover {name}` lists its models.")
    return first
