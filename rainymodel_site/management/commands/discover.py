"""`manage.py discover PROVIDER`: the models a provider lists, and adding some of them as deployments."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from gateway.visible import visible_line
from rainymodel_site.console.asking import ListingFailed
from rainymodel_site.console.found import discover
from routing.discovery import Offer
from routing.discovery_add import add_offers, chosen_offers, usual_tier
from routing.models import Provider, Tier
from routing.published import publish_in_words

AUTHOR = "manage.py discover"
COLUMNS = (("model", 44), ("$/M in / out", 16), ("window", 9), ("output", 8), ("can", 28))


class Command(BaseCommand):
    """Asking changes nothing; adding asks first, unless --yes says so already."""

    help = "List the models of a provider, and add some of them as deployments."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whom to ask, and what to add."""
        parser.add_argument("provider", help="the provider's slug")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--add", nargs="+", metavar="MODEL", default=[], help="add these models")
        what.add_argument("--all", action="store_true", help="add every new model")
        parser.add_argument(
            "--tier", metavar="SLUG", help="the new deployments' tier (default: the provider's usual one)"
        )
        parser.add_argument("--yes", action="store_true", help="with --add or --all: do not ask")

    def handle(
        self,
        *args: Any,
        provider: str,
        add: list[str],
        all: bool,
        tier: str | None,
        yes: bool,
        **options: Any,
    ) -> None:
        """Ask, print the table, and add what was chosen after a yes."""
        row, chosen_tier = find_provider(provider), find_tier(tier) if tier else None
        try:
            found = discover(row, self._progress)
        except ListingFailed as error:
            raise CommandError(str(error)) from None
        finally:
            self._end_progress()
        self._show(found)
        chosen = self._chosen(found, add, every=all)
        if chosen is None:
            return
        place = chosen_tier or usual_tier(row)
        if place is None:
            raise CommandError("There is no tier yet; add one first.")
        if not yes and not self._agreed(len(chosen), place):
            self.stdout.write("Nothing was added.")
            return
        self._add(row, place, chosen)

    def _chosen(self, found: tuple[Offer, ...], names: list[str], *, every: bool) -> list[Offer] | None:
        """What to add, None for nothing; raises CommandError when a named model cannot be added."""
        new = [offer for offer in found if offer.is_new]
        if every:
            if not new:
                self.stdout.write("Nothing to add: every model is a deployment already.")
            return new or None
        if not names:
            if new:
                self.stdout.write(
                    f"{len(new)} are new. Add some with --add MODEL …, or all of them with --all."
                )
            return None
        chosen, problems = chosen_offers(found, names)
        if problems:
            told = "; ".join(f"{visible_line(name)}: {why}" for name, why in problems.items())
            raise CommandError(f"Nothing was added. {told}.")
        return chosen

    def _add(self, provider: Provider, tier: Tier, chosen: list[Offer]) -> None:
        report = add_offers(provider, tier, chosen)
        for name, why in report.left_out.items():
            self.stdout.write(f"  left out: {visible_line(name)}: {why}")
        if report.added:
            self.stdout.write(
                f"Added to tier {tier.slug}: {', '.join(report.added)}. {publish_in_words(AUTHOR)}"
            )

    def _show(self, found: tuple[Offer, ...]) -> None:
        if not found:
            self.stdout.write("The provider lists no models. On your own server, load one first.")
            return
        self.stdout.write("  " + line([title for title, _ in COLUMNS]))
        for offer in found:
            self.stdout.write(f"{'+' if offer.is_new else ' '} {line(cells(offer))}")

    def _agreed(self, count: int, tier: Tier) -> bool:
        """A yes of whoever sits at the terminal; raises CommandError where nobody does."""
        if not sys.stdin.isatty():
            raise CommandError("Nothing was added: there is nobody to ask here. Answer with --yes.")
        answer = input(f"Add {count} deployments to tier {tier.slug}? [y/N] ")
        return answer.strip().lower() in ("y", "yes")

    def _progress(self, text: str) -> None:
        """One line that is written over at a terminal, a line for each step elsewhere."""
        if self.stderr.isatty():
            self.stderr.write(f"\r{text}", ending="")
        else:
            self.stderr.write(text, lambda words: words)
        self.stderr.flush()

    def _end_progress(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("")


def find_provider(slug: str) -> Provider:
    """The provider of that slug; raises CommandError naming those there are."""
    row = Provider.objects.filter(slug=slug).first()
    if row is None:
        names = ", ".join(Provider.objects.values_list("slug", flat=True))
        raise CommandError(f"There is no provider {slug!r}; there are {names or 'none yet'}.")
    return row


def find_tier(slug: str) -> Tier:
    """The tier of that slug; raises CommandError naming those there are."""
    row = Tier.objects.filter(slug=slug).first()
    if row is None:
        raise CommandError(
            f"There is no tier {slug!r}; there are {', '.join(Tier.objects.values_list('slug', flat=True))}."
        )
    return row


def cells(offer: Offer) -> list[str]:
    """What the table says of an offer."""
    if offer.why:
        return [visible_line(offer.model), offer.why]
    able = ", ".join(offer.capabilities) if offer.dialects == ("chat",) else ", ".join(offer.dialects)
    window, limit = (str(size or "unknown") for size in (offer.context_window, offer.output_limit))
    return [visible_line(offer.model), offer.price, window, limit, able or "–", offer.note]


def line(words: list[str]) -> str:
    """The words in columns; one that is too wide moves the rest."""
    widths = [width for _, width in COLUMNS]
    return "  ".join(f"{word:<{width}}" for word, width in zip(words, [*widths, 0], strict=False)).rstrip()
