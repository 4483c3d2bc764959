"""The shapes that catalogue fields must have; forms, the loader and roll backs all use these."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator

from routing.addresses import BadTemplate, check_template

SLUG = RegexValidator(
    r"\A[a-z0-9][a-z0-9-]{0,39}\Z",
    "Use lower-case letters, digits and hyphens, at most 40, beginning with a letter or digit.",
)
VARIABLE = RegexValidator(
    r"\A[A-Z][A-Z0-9_]*\Z",
    "Name an environment variable: capital letters, digits and underscores. Never the secret itself.",
)
MODEL_NAME = RegexValidator(
    r"\A(?!.*\*.*\*)[!-~]+\Z", "Use printable characters without spaces, and at most one *."
)
DEPLOYMENT_SLUG = RegexValidator(r"\A[!-~]+\Z", "Use printable characters without spaces.")

HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
HEADER_VALUE = re.compile(r"[ -~]{0,1000}")
PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")
RESERVED_HEADERS = frozenset(
    {
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "host",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-api-key",
    }
)
PREFIX = re.compile(r"[a-z0-9_-]{1,39}/")
# litellm reaches these through libraries with connections and credentials of their own, past every check of ours.
BY_THEMSELVES = ("aiohttp_openai", "bedrock", "oci", "sagemaker", "vertex_ai")
RESERVED_PARAMETERS = frozenset({"model", "messages", "stream"})


def valid_prefix(value: object) -> None:
    """litellm's name of a provider and a slash; none that litellm would connect to past this gateway's checks."""
    if not isinstance(value, str) or not PREFIX.fullmatch(value):
        raise ValidationError("Write litellm's provider name and a slash, e.g. anthropic/.")
    if value.startswith(BY_THEMSELVES):
        raise ValidationError(
            "%(name)s is not served: litellm would connect to it past this gateway's address checks.",
            params={"name": value},
        )


def valid_headers(value: object) -> None:
    """An object of header names and text values; none that carry credentials or frame the request."""
    if not isinstance(value, dict):
        raise ValidationError(
            'Write an object of names and values, e.g. {"HTTP-Referer": "https://rm.orcest.ai"}.'
        )
    for name, text in value.items():
        if not HEADER_NAME.fullmatch(name):
            raise ValidationError("%(name)s is not a header name.", params={"name": repr(name[:60])})
        if name.lower() in RESERVED_HEADERS:
            raise ValidationError(
                "%(name)s is set by the gateway itself; leave it out.", params={"name": name}
            )
        if not isinstance(text, str) or not HEADER_VALUE.fullmatch(text):
            raise ValidationError(
                "The value of %(name)s must be one line of plain text.", params={"name": name}
            )
    if len({name.lower() for name in value}) < len(value):
        raise ValidationError("A header is named twice.")


def valid_parameter_policy(value: object) -> None:
    """An object: a parameter's new name renames it, null drops it."""
    if not isinstance(value, dict):
        raise ValidationError(
            'Write an object, e.g. {"max_tokens": "max_completion_tokens", "temperature": null}.'
        )
    for name, target in value.items():
        if not PARAMETER.fullmatch(name) or name in RESERVED_PARAMETERS:
            raise ValidationError("%(name)s cannot be renamed or dropped.", params={"name": repr(name[:60])})
        if target is None:
            continue
        if not isinstance(target, str) or not PARAMETER.fullmatch(target) or target in RESERVED_PARAMETERS:
            raise ValidationError(
                "%(name)s needs a parameter name, or null to drop it.", params={"name": name}
            )


def valid_base_url(value: str) -> None:
    """A URL, in which only the URL variables may stand as ${VARIABLE} or ${VARIABLE:-default}."""
    try:
        check_template(value)
    except BadTemplate as error:
        raise ValidationError(str(error)) from None
