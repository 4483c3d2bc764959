"""What labels, limits and networks of a key may look like."""

import ipaddress

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

WORD = RegexValidator(
    r"^[^\s,\x00-\x1f\x7f]+\Z", "A model name holds no spaces, commas or control characters."
)
SHORT_WORD = RegexValidator(r"^[a-z0-9][a-z0-9_-]*\Z", "Use lower-case letters, digits, “-” and “_” only.")


def valid_label(text: str) -> None:
    """A label is one line of visible text."""
    if not text.strip() or not text.isprintable():
        raise ValidationError("Use one line of visible characters.", code="invalid_label")


def valid_network(text: str) -> None:
    """An address, or a CIDR range without bits beyond its mask."""
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise ValidationError(problem_with(text), code="invalid_network") from None


def problem_with(text: str) -> str:
    """Why a text is no network, with the one that was probably meant."""
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return f"“{text[:60]}” is not an address or a CIDR range such as 10.0.0.0/8 or 2001:db8::/32."
    return f"“{text[:60]}” sets bits outside its mask; write {meant}."
