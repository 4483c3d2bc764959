"""The headers template of a backends.json: which header is the key, which are sent as they are, which are refused."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError

from routing.importers.backends_file import Backend
from routing.importers.errors import shown
from routing.importers.litellm_values import SOUNDS_SECRET
from routing.importers.report import Report
from routing.validators import RESERVED_HEADERS, valid_headers

TEMPLATE = re.compile(r"\$?\{\s*(?:api_key|apikey|key|token)\s*\}", re.IGNORECASE)
VARIABLE = re.compile(r"\$?\{([A-Z][A-Z0-9_]*)\}|os\.environ/([A-Z][A-Z0-9_]*)")
BEARER = re.compile(r"bearer\s+", re.IGNORECASE)
KEY_HEADERS = frozenset({"authorization", "x-api-key", "api-key", "x-goog-api-key"})
# Hop by hop, or about the one connection that the old router had.
CONNECTION = frozenset({"keep-alive", "proxy-connection", "proxy-authenticate", "accept-encoding", "expect"})
LOOKS_SECRET = re.compile(r"\b(?:bearer|basic)\s|\bsk-\w{8}|[A-Za-z0-9_\-]{32}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Headers:
    """The key as text or `${VARIABLE}`, empty when there is none, and the headers to send with every request."""

    key: str = field(repr=False)
    extra: Mapping[str, str] = field(default_factory=dict)


def read_headers(backend: Backend, *, litellm_wire: bool, report: Report) -> Headers:
    """What becomes of the backend's headers; the report names each that is not carried over, never its value."""
    key, extra = backend.key, {}
    for name, (line, value) in backend.headers.items():
        if name.lower() in KEY_HEADERS:
            found, why = _key_in(name, value, litellm_wire=litellm_wire)
            if found and key:
                why = "the key is given already"
            key = key or found
        else:
            why = _refusal(name, value)
            if not why:
                extra[name] = value
        if why:
            report.say("not_carried", f"{shown(backend.name)}.headers.{shown(name)}: {why}.", line)
    return Headers(key, extra)


def _key_in(name: str, value: str, *, litellm_wire: bool) -> tuple[str, str]:
    """The key that a header holds (empty where it only says where the key goes), and why it is not as it was."""
    text = BEARER.sub("", value, count=1).strip()
    why = ""
    if name.lower() != "authorization" and not litellm_wire:
        why = "the key is sent as Authorization: Bearer, which OpenAI-shaped services take"
    if TEMPLATE.search(text):
        return "", why if TEMPLATE.fullmatch(text) else "the key is sent whole, with nothing around it"
    if variable := VARIABLE.fullmatch(text):
        return f"${{{variable.group(1) or variable.group(2)}}}", why
    return text, why


def _refusal(name: str, value: str) -> str:
    """Why a header cannot be sent with every request; empty when it can."""
    if name.lower() in RESERVED_HEADERS | CONNECTION:
        return "the gateway sets it itself"
    if SOUNDS_SECRET.search(name.upper()) or TEMPLATE.search(value) or LOOKS_SECRET.search(value):
        return "it looks like a secret, and only the key may hold one"
    if "{" in value:
        return "it holds a variable, and headers are sent as they are written"
    try:
        valid_headers({name: value})
    except ValidationError as error:
        return " ".join(error.messages).rstrip(".")
    return ""
