"""Make an API key and print it once."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.issue import issue_key, service_user
from accounts.models import User
from accounts.site import example_request, site_address

# Options that are columns of the key, and how the command calls them; the others are on the key's page.
OPTIONS = {
    "requests_per_minute": "rpm",
    "tokens_per_minute": "tpm",
    "concurrent_requests": "concurrency",
    "usd_per_day": "usd-per-day",
    "usd_per_month": "usd-per-month",
    "aliases": "aliases",
    "policies": "policies",
    "highest_tier": "highest-tier",
    "networks": "networks",
}


class Command(BaseCommand):
    """manage.py create_key LABEL"""

    help = "Make an API key and print it once; without limits of its own it has the defaults of the settings."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The label, the owner, and every limit."""
        parser.add_argument("label", help="What the key is for, e.g. “Lamino production”.")
        parser.add_argument("--owner", help="User name of its owner; without one, the service user.")
        parser.add_argument("--rpm", type=int, help="Requests per minute.", dest="requests_per_minute")
        parser.add_argument("--tpm", type=int, help="Tokens per minute.", dest="tokens_per_minute")
        parser.add_argument("--concurrency", type=int, help="Requests at once.", dest="concurrent_requests")
        parser.add_argument("--usd-per-day", type=money, help="US dollars per UTC day.")
        parser.add_argument("--usd-per-month", type=money, help="US dollars per UTC month.")
        parser.add_argument("--aliases", type=words, help="Model names it may use, comma-separated.")
        parser.add_argument("--policies", type=words, help="Policies it may ask for, comma-separated.")
        parser.add_argument("--highest-tier", help="Slug of the highest tier it may reach.")
        parser.add_argument("--networks", type=words, help="Addresses or CIDR ranges, comma-separated.")
        parser.add_argument("--expires-days", type=float, help="Days until it expires; without it, never.")
        parser.add_argument("--no-direct-calls", action="store_true", help="Aliases only, no provider/model.")
        parser.add_argument("--quiet", action="store_true", help="Print the key and nothing else.")

    def handle(self, *args: Any, **options: Any) -> None:
        """One key, or one sentence that says what is wrong."""
        limits = {name: options[name] for name in OPTIONS if options[name] is not None}
        limits["expires_at"] = expiry(options["expires_days"])
        limits["direct_calls"] = not options["no_direct_calls"]
        try:
            row, new = issue_key(find_owner(options["owner"]), options["label"].strip(), **limits)
        except ValidationError as error:
            raise CommandError(sentence(error)) from None
        self.stdout.write(new.text)
        if not options["quiet"]:
            self.stdout.write(
                f"\nThis is the key “{row.label}” of {row.owner}. It is shown only now; keep it somewhere safe."
            )
            self.stdout.write(f"\n{example_request(new.text, site_address())}")


def find_owner(username: str | None) -> User:
    """The user with this name, or the service user when none is named."""
    if username is None:
        return service_user()
    user = User.objects.filter(username=username).first()
    if user is None:
        raise CommandError(f"There is no user {username!r}; add one in the admin, or leave --owner out.")
    return user


def expiry(days: float | None) -> Any:
    """The moment so many days ahead."""
    if days is None:
        return None
    if not 0 < days <= 3650:
        raise CommandError(f"--expires-days must be more than 0 and at most 3650, but it is {days:g}.")
    return timezone.now() + timedelta(days=days)


def money(text: str) -> Decimal:
    """An amount of US dollars. Raises ArgumentTypeError."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise ArgumentTypeError(f"“{text[:40]}” is not an amount of US dollars such as 12.50.")
    return amount


def words(text: str) -> list[str]:
    """A comma-separated list."""
    return [word.strip() for word in text.split(",") if word.strip()]


def sentence(error: ValidationError) -> str:
    """The first thing that is wrong, with the option it concerns."""
    name, problems = next(iter(error.message_dict.items()))
    option = f"--{OPTIONS[name]}: " if name in OPTIONS else "" if name == "__all__" else f"{name}: "
    return f"{option}{problems[0]}"
