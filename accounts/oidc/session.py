"""What a session by single sign-on remembers: when the provider last vouched, and the tokens it gave, sealed.

The tokens are sealed with keys made from RAINYMODEL_SECRET_KEYS: the first seals, all open, so that a copy of the
database opens nothing.
"""

import base64
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase

BACKEND = "accounts.oidc.backend.SsoBackend"
KEY = "sso"
PURPOSE = b"tokens in sessions"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the provider gave; empty texts are tokens it did not give."""

    access: str = field(default="", repr=False)
    refresh: str = field(default="", repr=False)


def is_sso(session: SessionBase) -> bool:
    """Whether the session began at the provider."""
    return session.get(BACKEND_SESSION_KEY) == BACKEND


def confirm(session: SessionBase, tokens: Tokens) -> None:
    """The provider vouched for the session's user just now."""
    session[KEY] = {"confirmed": time.time(), "asked": 0, "tokens": seal(tokens)}


def is_stale(session: SessionBase) -> bool:
    """Whether the provider last vouched longer ago than OIDC_SESSION_AGE."""
    confirmed = float(state_of(session).get("confirmed", 0))
    return time.time() - confirmed >= settings.OIDC_SESSION_AGE


def note_question(session: SessionBase) -> None:
    """The provider is being asked now; stored at once, so that requests at the same time do not ask as well."""
    session[KEY] = {**state_of(session), "asked": time.time()}
    session.save()


def seconds_since_question(session: SessionBase) -> float:
    """How long ago the provider was last asked."""
    return time.time() - float(state_of(session).get("asked", 0))


def tokens_of(session: SessionBase) -> Tokens:
    """The tokens; none when there are none or they do not open."""
    sealed = state_of(session).get("tokens", "")
    try:
        return Tokens(**json.loads(ring().decrypt(sealed.encode()))) if sealed else Tokens()
    except (InvalidToken, ValueError, TypeError):
        return Tokens()


def forget_tokens(session: SessionBase) -> None:
    """They are of no use any more."""
    session[KEY] = {**state_of(session), "tokens": ""}


def state_of(session: SessionBase) -> dict[str, Any]:
    """What is remembered."""
    found = session.get(KEY)
    return found if isinstance(found, dict) else {}


def seal(tokens: Tokens) -> str:
    """The tokens as text that only this project's key ring opens."""
    text = json.dumps({"access": tokens.access, "refresh": tokens.refresh})
    return ring().encrypt(text.encode()).decode()


def ring() -> MultiFernet:
    """One key for each of the project's ring, of use for nothing else."""
    parts = [part.strip().encode() for part in settings.SEALING_KEYS.split(",") if part.strip()]
    return MultiFernet(
        [Fernet(base64.urlsafe_b64encode(hmac.digest(part, PURPOSE, "sha256"))) for part in parts]
    )
