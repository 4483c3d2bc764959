"""What is wrong with a tier, a provider or a deployment taken by itself."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from urllib.parse import urlsplit

from routing.engine.names import STAR
from routing.engine.snapshot import (
    ADDRESS_CLASSES,
    BILLINGS,
    CAPABILITIES,
    DIALECTS,
    IMAGE_URLS,
    QUOTA_WINDOWS,
    WIRES,
    Deployment,
    Price,
    Provider,
    Tier,
    TimeLimits,
)

ERROR = "error"
WARNING = "warning"
HOST_CHARACTERS = frozenset(
    "abcdefghijklmnopqrstuvwxyz0123456789.-_:"
)  # as urlsplit returns it, IPv6 included


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to correct: `level` is ERROR or WARNING, `subject` the row, `advice` what to do."""

    level: str
    subject: str
    message: str
    advice: str

    def __str__(self) -> str:
        return f"{self.level}: {self.subject}: {self.message} {self.advice}"


def tier_findings(tier: Tier) -> Iterator[Finding]:
    """A tier says who pays."""
    yield from _unknown(f"tier {tier.slug}", "billing", (tier.billing,), BILLINGS)


def provider_findings(provider: Provider) -> Iterator[Finding]:
    """A provider has a wire, an address of its class, and limits that let a request pass."""
    subject = f"provider {provider.slug}"
    yield from _unknown(subject, "wire", (provider.wire,), WIRES)
    yield from _unknown(subject, "address class", (provider.address_class,), ADDRESS_CLASSES)
    if provider.base_url or provider.wire == "openai":
        yield from _address(provider, subject)
    yield from _limits(provider.limits, subject)
    if provider.breaker.open_after < 1 or not provider.breaker.open_for > 0:
        message = "The breaker opens after fewer than one failure, or for no time."
        yield Finding(ERROR, subject, message, "Use at least 1 failure, and more than 0 seconds.")
    if provider.quota_window is not None:
        yield from _unknown(subject, "quota window", (provider.quota_window,), QUOTA_WINDOWS)
    if provider.concurrency_limit is not None and provider.concurrency_limit < 1:
        message = "The concurrency limit lets no request through."
        yield Finding(ERROR, subject, message, "Use 1 or more, leave it empty, or disable the provider.")


def deployment_findings(deployment: Deployment) -> Iterator[Finding]:
    """A deployment has a model, sane sizes, known words, and prices that can be counted with."""
    subject = f"deployment {deployment.slug}"
    if not deployment.model.strip():
        yield Finding(ERROR, subject, "The upstream model is empty.", "Enter the name the upstream knows.")
    if deployment.model.count(STAR) > 1:
        yield Finding(ERROR, subject, "The upstream model has more than one *.", "Keep one *.")
    yield from _unknown(subject, "capability", deployment.capabilities, (*CAPABILITIES, IMAGE_URLS))
    yield from _unknown(subject, "dialect", deployment.dialects, DIALECTS)
    yield from _limits(deployment.limits, subject)
    for name, size in (
        ("context window", deployment.context_window),
        ("output limit", deployment.output_limit),
    ):
        if size is not None and size < 1:
            yield Finding(ERROR, subject, f"The {name} is {size}.", "Enter 1 or more, or leave it empty.")
    yield from _prices(deployment, subject)


def is_amount(amount: Decimal) -> bool:
    """True for a number of dollars that can be asked for: zero or more."""
    return amount.is_finite() and amount >= 0


def _unknown(subject: str, kind: str, words: Iterable[str], known: tuple[str, ...]) -> Iterator[Finding]:
    for word in sorted(set(words) - set(known)):
        yield Finding(ERROR, subject, f"The {kind} {word!r} is unknown.", f"Use one of: {', '.join(known)}.")


def _limits(limits: TimeLimits, subject: str) -> Iterator[Finding]:
    if not all(seconds > 0 for seconds in (limits.connect, limits.first_content, limits.idle, limits.total)):
        yield Finding(ERROR, subject, "A time limit is not positive.", "Give every limit in seconds.")


def _prices(deployment: Deployment, subject: str) -> Iterator[Finding]:
    amounts = [amount for price in deployment.prices for amount in _amounts(price)]
    if not all(is_amount(amount) for amount in amounts):
        yield Finding(
            ERROR, subject, "A price is negative or not a number.", "Enter 0 or more, empty if unknown."
        )
    starts = [price.starts for price in deployment.prices]
    if starts != sorted(set(starts)):
        message = "Two prices start at the same moment, or they are out of order."
        yield Finding(ERROR, subject, message, "Give each price its own start.")
    if deployment.tier.billing == "paid" and not _newest_price_is_known(deployment):
        message = "It is paid for, and its price is unknown."
        yield Finding(WARNING, subject, message, "Enter input and output price, or its cost stays unknown.")


def _amounts(price: Price) -> Iterator[Decimal]:
    return (amount for amount in (price.input, price.cached_input, price.output) if amount is not None)


def _newest_price_is_known(deployment: Deployment) -> bool:
    if not deployment.prices:
        return False
    newest = deployment.prices[-1]
    return newest.input is not None and newest.output is not None


def _address(provider: Provider, subject: str) -> Iterator[Finding]:
    wrong = _wrong_with(provider.base_url)
    if wrong:
        advice = "Enter an address like https://api.example.com/v1."
        yield Finding(ERROR, subject, f"The base URL {wrong}.", advice)
    elif provider.base_url.lower().startswith("http:") and provider.address_class == "public":
        message = "The base URL is plain http, and its address class is public."
        yield Finding(ERROR, subject, message, "Use https, or the class private or plaintext.")


def _wrong_with(url: str) -> str:
    """What is wrong with a base URL, as the end of a sentence; empty when nothing is."""
    if any(not 32 < ord(character) < 127 for character in url):
        return "has a space or a character outside ASCII"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "cannot be read"
    if parts.scheme not in ("http", "https"):
        return "does not start with https:// or http://"
    if "@" in parts.netloc:
        return "holds a user or password, which belongs in the credential"
    if not parts.hostname or not set(parts.hostname) <= HOST_CHARACTERS or port == 0:
        return "has no valid host"
    return "has a query or fragment" if "?" in url or "#" in url else ""
