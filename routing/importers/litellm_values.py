"""Values of a litellm configuration: `${VAR}`, `${VAR:-default}` and `os.environ/VAR`, keys and addresses.

A reference to a key stays a reference. Variables that hold secrets never end up in an address, whatever the
file says, and this installation's own secrets are nobody's credential.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from rainymodel_site import env
from routing.addresses import PLACEHOLDER, URL_VARIABLES, BadTemplate, expand
from routing.environment import STARTING_PAIRS
from routing.importers.errors import NotCarried, shown

LITELLM_REFERENCE = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")
VARIABLE_NAME = re.compile(r"[A-Z][A-Z0-9_]{0,79}")
SOUNDS_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|PEPPER")
KEY_TEXT = re.compile(r"[!-~]{1,4000}")
LONGEST_ADDRESS = 290  # a /v1 may be added
OWN_SECRETS = frozenset(name for name, variable in env.DECLARED.items() if variable.kind == "secret") - {
    name for name, _ in STARTING_PAIRS
}
NEWER_NAMES = {old: name for name, older in URL_VARIABLES.items() for old in older}


@dataclass(frozen=True, slots=True)
class Credential:
    """A key as the file gives it: the variable that holds it, or the key itself, or neither."""

    variable: str = ""
    secret: str = field(default="", repr=False)

    def __bool__(self) -> bool:
        return bool(self.variable or self.secret)


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL: the template that is stored, what it stands for now, and the variables that were read for it."""

    template: str = ""
    url: str = ""
    read_now: tuple[str, ...] = ()


def value_of(name: str, environ: Mapping[str, str]) -> str:
    """The variable's value, or the default it has here; empty when it has none."""
    return env.text(name, environ) if name in env.DECLARED else environ.get(name, "").strip()


def read_credential(text: str, environ: Mapping[str, str]) -> Credential:
    """The key an entry names; raises NotCarried with a reason that never quotes it."""
    given = _unified(text)
    reference = PLACEHOLDER.fullmatch(given)
    if reference:
        return _referred_key(reference.group(1), reference.group(2) or "", environ)
    if PLACEHOLDER.search(given) or LITELLM_REFERENCE.search(given):
        raise NotCarried("its key is made of several parts; put the whole key into one variable")
    return Credential(secret=_sendable(given)) if given else Credential()


def _referred_key(name: str, default: str, environ: Mapping[str, str]) -> Credential:
    """A default counts only where the variable has no value: it is a key written in the file."""
    if name in OWN_SECRETS:
        raise NotCarried(f"{name} is a secret of this installation and never a provider's key")
    if not VARIABLE_NAME.fullmatch(name):
        raise NotCarried(f"its key is in the variable {shown(name)}; name it in capital letters")
    declared = env.DECLARED[name].default if name in env.DECLARED else ""
    is_used = default and default != declared and not env.is_set(name, environ)
    return Credential(name, _sendable(default) if is_used else "")


def _sendable(key: str) -> str:
    if not KEY_TEXT.fullmatch(key):
        raise NotCarried(
            "its key holds a space or a character that cannot be sent in a header, or is too long"
        )
    return key


def read_address(text: str, environ: Mapping[str, str], urls: Mapping[str, str]) -> Address:
    """The base URL an entry names. The URL variables stay variables, others are read now; raises NotCarried."""
    read_now: list[str] = []

    def filled(match: re.Match[str]) -> str:
        name = NEWER_NAMES.get(match.group(1), match.group(1))
        if name in URL_VARIABLES:
            default = _without_version(match.group(2) or "")
            return f"${{{name}:-{default}}}" if default else f"${{{name}}}"
        read_now.append(name)
        return _public_value(name, match.group(2) or "", environ)

    template = PLACEHOLDER.sub(filled, _unified(text)).rstrip("/")
    if template.startswith("${") and template.endswith("}"):
        template += "/v1"  # the values of these variables are read without it
    try:
        url = expand(template, urls)
    except BadTemplate as error:
        raise NotCarried(f"its address cannot be used: {error}") from None
    if max(len(template), len(url)) > LONGEST_ADDRESS:
        raise NotCarried(f"its address is longer than {LONGEST_ADDRESS} characters")
    return Address(template, url, tuple(read_now))


def read_text(text: str, environ: Mapping[str, str]) -> str:
    """Any other text, with its variables read now; raises NotCarried when one has no value."""
    return PLACEHOLDER.sub(
        lambda match: _public_value(match.group(1), match.group(2) or "", environ), _unified(text)
    )


def is_reference(text: str) -> bool:
    """True when the text stands for a variable's value."""
    return bool(PLACEHOLDER.search(text) or LITELLM_REFERENCE.search(text))


def variable_named_by(text: str) -> str:
    """The variable that the whole text stands for; empty when it is no reference."""
    reference = PLACEHOLDER.fullmatch(_unified(text))
    return reference.group(1) if reference else ""


def _public_value(name: str, default: str, environ: Mapping[str, str]) -> str:
    is_secret = name in env.DECLARED and env.DECLARED[name].kind == "secret"
    if is_secret or SOUNDS_SECRET.search(name.upper()):
        raise NotCarried(f"{shown(name)} names a secret, and only api_key may hold one")
    value = value_of(name, environ) or default
    if not value:
        raise NotCarried(f"{shown(name)} is not set")
    return value


def _unified(text: str) -> str:
    """litellm's own way to name a variable, written as the other one."""
    text = text.strip()
    reference = LITELLM_REFERENCE.fullmatch(text)
    return f"${{{reference.group(1)}}}" if reference else text


def _without_version(url: str) -> str:
    return url.rstrip("/").removesuffix("/v1").rstrip("/")
