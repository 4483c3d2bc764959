"""What a browser and our client ask of the test sign-in provider, over its socket."""

import base64
import hashlib
import json
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPMessage
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt

from accounts.fake_login import FakeLogin
from accounts.fake_login.provider import SESSION_COOKIE
from accounts.fake_login.tokens import encode

CALLBACK = "http://127.0.0.1:8080/auth/callback"
ADA, DAN, ROSA, VERA, NORA, SAM = (
    f"{name}@orcest.ai" for name in ("ada", "dan", "rosa", "vera", "nora", "sam")
)
VERIFIER = "v" * 43
CHALLENGE = encode(hashlib.sha256(VERIFIER.encode()).digest())


@dataclass(frozen=True)
class Answer:
    """What came back over the socket."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body as a document."""
        return json.loads(self.body)

    @property
    def location(self) -> str:
        """Where it redirects to."""
        return self.headers["Location"]


def call(
    provider: FakeLogin, path: str, form: dict[str, str] | None = None, method: str = "", **headers: str
) -> Answer:
    """One request without following redirects; a POST where there is a form."""
    connection = HTTPConnection("127.0.0.1", provider.port, timeout=20)
    try:
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        method = method or ("GET" if form is None else "POST")
        connection.request(method, path, urlencode(form) if form is not None else None, headers)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def authorize_path(provider: FakeLogin, **changes: str) -> str:
    """Path and query with which our client starts a login."""
    fields = {
        "client_id": provider.client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": "openid profile email",
        "state": "a-state",
        "nonce": "a-nonce",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return f"/oauth2/authorize?{urlencode(fields | changes)}"


def query_of(location: str) -> dict[str, str]:
    """The fields of an address."""
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def sent_back(provider: FakeLogin, email: str = ADA, **changes: str) -> dict[str, str]:
    """With what somebody who is signed in there comes back to us."""
    return query_of(provider.sent_back(authorize_path(provider, **changes), email))


def secret_of(provider: FakeLogin) -> dict[str, str]:
    """Our client's fields of authentication."""
    return {"client_id": provider.client_id, "client_secret": provider.client_secret}


def code_form(code: str, **changes: str) -> dict[str, str]:
    """The form that exchanges a code, without authentication."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK}
    return form | {"code_verifier": VERIFIER} | changes


def exchange(provider: FakeLogin, **changes: str) -> Answer:
    """A login to its end: the answer of the token endpoint."""
    code = sent_back(provider)["code"]
    return call(provider, "/oauth2/token", code_form(code) | secret_of(provider) | changes)


def public_key(provider: FakeLogin) -> Any:
    """The key that it publishes."""
    (key,) = call(provider, "/oauth2/jwks").json["keys"]
    return jwt.PyJWK(key).key


def claims_of(provider: FakeLogin, token: str) -> dict[str, Any]:
    """The claims of a token that is right in everything, or jwt's refusal."""
    return jwt.decode(
        *(token, public_key(provider)),
        algorithms=["RS256"],
        audience=provider.client_id,
        issuer=provider.issuer,
        leeway=60,
    )


def basic(provider: FakeLogin) -> dict[str, str]:
    """The header of our client's basic authentication."""
    pair = f"{provider.client_id}:{provider.client_secret}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def bearer(token: str) -> dict[str, str]:
    """The header with a token."""
    return {"Authorization": f"Bearer {token}"}


def session(provider: FakeLogin, email: str) -> dict[str, str]:
    """The header of a browser in which this person is signed in there."""
    return {"Cookie": f"{SESSION_COOKIE}={provider.sign_in(email)}"}


def refresh(provider: FakeLogin, token: str) -> Answer:
    """The token endpoint's answer to a refresh token."""
    form = {"grant_type": "refresh_token", "refresh_token": token}
    return call(provider, "/oauth2/token", form | secret_of(provider))
