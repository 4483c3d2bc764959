"""What the provider knows: people, keys, sessions, codes, refresh tokens, and the part it plays."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from accounts.fake_login.attacks import check_attack, tampered
from accounts.fake_login.people import Person, lets_through_today, starting_people
from accounts.fake_login.tokens import KID, KeyPair, make_token
from accounts.fake_login.wire import Reply, Request

TODAY, CONFORMING = "today", "conforming"
SESSION_COOKIE = "fake_login_session"
CALLBACK_PATH = "/auth/callback"
CODE_SECONDS = 60
ACCESS_SECONDS = 15 * 60
ID_SECONDS = 60 * 60


@dataclass(frozen=True, slots=True)
class Grant:
    """What a code or a refresh token stands for; `made_at` is the provider's clock."""

    email: str
    redirect_uri: str
    scope: str
    nonce: str
    challenge: str
    made_at: float


class Seen(NamedTuple):
    """One request as it came in; `fields` is query and form, header names are in lower case."""

    method: str
    path: str
    fields: dict[str, str]
    headers: dict[str, str]


class Provider:
    """The provider apart from its socket. Tests read and set the plain attributes while it runs.

    `people` by e-mail; `attack` is a name from ATTACKS or None; `requests` is every request, in order;
    `stop_answering` maps an endpoint's name (token, jwks, userinfo, revoke, authorize, discovery, login, portal,
    verify, access) to seconds of silence before its answer, to "refuse" for a closed connection, or to "drip"
    for an answer that never seems to end; `redirect_uris` empty means any address with the path /auth/callback.
    """

    issuer = ""

    def __init__(
        self,
        behaviour: str,
        client_id: str,
        client_secret: str,
        redirect_uris: tuple[str, ...] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        if behaviour not in (TODAY, CONFORMING):
            raise ValueError(f"The behaviour is {TODAY!r} or {CONFORMING!r}, not {behaviour!r}.")
        self.behaviour, self.clock = behaviour, clock
        self.client_id, self.client_secret = client_id, client_secret
        self.redirect_uris = redirect_uris
        self.people = starting_people()
        self.requests: list[Seen] = []
        self.stop_answering: dict[str, float | str] = {}
        self.keys = KeyPair()
        self.sessions: dict[str, str] = {}  # cookie → e-mail
        self.codes: dict[str, Grant] = {}
        self.refresh_tokens: dict[str, Grant] = {}
        self.revoked: set[str] = set()
        self.states: list[str] = []
        self.diverted: Reply | None = None  # the honest answer of a token endpoint that redirected
        self._attack: str | None = None

    @property
    def attack(self) -> str | None:
        """What is wrong with everything from now on; None for nothing."""
        return self._attack

    @attack.setter
    def attack(self, name: str | None) -> None:
        self._attack = check_attack(name)

    @property
    def conforming(self) -> bool:
        """Whether it keeps to the specifications."""
        return self.behaviour == CONFORMING

    def rotate_keys(self) -> None:
        """A new key under the same `kid`, as after a restart; tokens of the old key are void."""
        self.keys = KeyPair()

    def sign_in(self, email: str) -> str:
        """A fresh session of this person: the value of its cookie."""
        cookie = secrets.token_urlsafe(32)
        self.sessions[cookie] = self.people[email].email
        return cookie

    def signed_in(self, request: Request) -> Person | None:
        """The person whose session the request carries, as long as there is such a person."""
        return self.people.get(self.sessions.get(request.cookie(SESSION_COOKIE), ""))

    def lets_through(self, person: Person) -> bool:
        """Whether this person gets a code for our client; a conforming provider leaves that to us."""
        return self.conforming or lets_through_today(person, self.client_id)

    def knows_redirect(self, uri: str) -> bool:
        """Whether codes may be sent to this address: an exact match, or the path alone where none is listed."""
        if self.redirect_uris:
            return uri in self.redirect_uris
        parts = urlsplit(uri)
        return parts.scheme in ("http", "https") and parts.path == CALLBACK_PATH and not parts.fragment

    def id_token(self, email: str, /, *, nonce: str = "", **claims: Any) -> str:
        """An ID token for our client; `claims` win over its own, None takes one away.

        Today's has neither `azp` nor a `kid` in its header, and a nonce that nobody asked for.
        """
        own: dict[str, Any] = self._common(email, self.client_id, ID_SECONDS)
        own["email"] = email
        if self.conforming:
            own |= {"azp": self.client_id, "nonce": nonce or None}
        else:
            own["nonce"] = secrets.token_hex(8)
        return self._make(own, claims, {})

    def access_token(
        self, email: str, /, *, audience: str | None = None, expires_in: float = ACCESS_SECONDS, **claims: Any
    ) -> str:
        """An access token for this audience (our client's id where none is given); `claims` as for ID tokens.

        Today's differs from an ID token only in what it lacks: `email` and `nonce`.
        """
        own = self._common(email, self.client_id if audience is None else audience, expires_in)
        if not self.conforming:
            return self._make(own, claims, {})
        own |= {"client_id": self.client_id, "scope": "openid profile email"}
        return self._make(own, claims, {"typ": "at+jwt"})

    def _common(self, email: str, audience: str, seconds: float) -> dict[str, Any]:
        person, now = self.people[email], int(self.clock())
        return {
            "iss": self.issuer,
            "sub": person.email,
            "aud": audience,
            "iat": now,
            "exp": now + int(seconds),
            "jti": secrets.token_hex(16),
            "name": person.name,
            "role": person.role,
        }

    def _make(self, own: dict[str, Any], given: dict[str, Any], header: dict[str, Any]) -> str:
        claims = {**tampered(own, self.attack, int(self.clock())), **given}
        header = {**header, "kid": KID} if self.conforming else header
        return make_token(claims, header, self.keys, self.attack)
