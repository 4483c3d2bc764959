"""Who is calling: a credential from the headers → a Caller, or the 401 that says what is wrong with it."""

import re
from typing import Protocol
from urllib.parse import parse_qsl

from accounts.callers import Caller
from accounts.errors import (
    AccessTokenRefused,
    ApiKeyExpired,
    ApiKeyPaused,
    ApiKeyRevoked,
    InvalidApiKey,
    KeyRefused,
    KeysUnavailable,
)
from accounts.oidc.bearer import AccessTokenExpired
from gateway.bad_keys import BadKeys
from gateway.call import Call
from gateway.errors import BadRequest, GatewayError, NotAllowed, Unauthenticated, Unavailable

LONGEST_CREDENTIAL = 4096
KEY_PARAMETERS = frozenset({"api_key", "apikey", "key", "api-key", "access_token"})
PRINTABLE = re.compile(r"^[\x21-\x7e]+$")
# A key that was revoked, has expired or rests is no guess: whoever sends it knew the secret. Nor is an access token
# that was good until it expired.
GUESSES = (InvalidApiKey, AccessTokenRefused)
GENUINE = (AccessTokenExpired,)
BAD_KEYS = BadKeys()  # this worker's


class Callers(Protocol):
    """What the gateway needs of the directory of callers."""

    def find(self, credential: str) -> Caller | None:
        """The caller when memory knows the credential well enough; None to look it up."""

    async def look_up(self, credential: str) -> Caller:
        """The caller, or one of accounts.errors."""


class Request(Protocol):
    """What says who is calling: a gateway Call, or what the management API makes of a request."""

    query_string: bytes
    client_address: str

    def header(self, name: bytes) -> str | None:
        """A header's text, None when absent."""


async def authenticate(call: Call, callers: Callers, bad_keys: BadKeys = BAD_KEYS) -> Caller:
    """The caller; the call's body may be as large as the key says, where it says so.

    Raises Unauthenticated, BadRequest (key in the URL, two keys), NotAllowed (address), Unavailable, and
    TooManyBadKeys instead of the 401 for an address that keeps guessing.
    """
    try:
        credential = read_credential(call)
        caller = callers.find(credential) or await callers.look_up(credential)
    except (KeyRefused, KeysUnavailable) as error:
        raise refused(error, call.client_address, bad_keys) from None
    check_address(caller, call.client_address)
    if caller.max_body_bytes is not None:
        call.max_body = caller.max_body_bytes
    return caller


def refused(error: Exception, address: str, bad_keys: BadKeys = BAD_KEYS) -> GatewayError:
    """The directory's error as the API says it; a guess is counted. Raises TooManyBadKeys in its place."""
    if isinstance(error, GUESSES) and not isinstance(error, GENUINE):
        bad_keys.note(address)
    return refusal(error)


def check_address(caller: Caller, address: str) -> None:
    """Raises NotAllowed for a key that may not be used from there."""
    if caller.networks and not caller.may_call_from(address):
        raise NotAllowed("This API key may not be used from your address.", code="address_not_allowed")


def read_credential(request: Request) -> str:
    """The one credential of the request: a Bearer token, or `x-api-key`, or the same in both.

    Raises BadRequest, Unauthenticated when there is none, and InvalidApiKey for what cannot be one.
    """
    if request.query_string and carries_key(request.query_string):
        raise key_in_url()
    authorization, api_key = request.header(b"authorization"), request.header(b"x-api-key")
    credentials = {credential for credential in (read_bearer(authorization), api_key) if credential}
    if len(credentials) > 1:
        raise BadRequest(
            "`Authorization` and `x-api-key` carry different keys. Send one.", code="two_api_keys"
        )
    if not credentials:
        raise no_key(authorization)
    (credential,) = credentials
    if len(credential) > LONGEST_CREDENTIAL or not PRINTABLE.match(credential):
        raise InvalidApiKey
    return credential


def key_in_url() -> BadRequest:
    """A key stood in the URL."""
    return BadRequest(
        "Do not put an API key into a URL: URLs end up in logs. Send it as `Authorization: Bearer …`, and roll "
        "the key you just exposed.",
        code="key_in_url",
    )


def read_bearer(authorization: str | None) -> str:
    """The token of a Bearer header; the scheme's case does not matter, other schemes do not count as a key.

    A proxy in front may want an `Authorization: Basic …` for itself; the key then comes as `x-api-key`.
    """
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def carries_key(query_string: bytes) -> bool:
    """Whether a URL's query names a key."""
    names = {name.lower() for name, _ in parse_qsl(query_string.decode("latin-1"), keep_blank_values=True)}
    return bool(names & KEY_PARAMETERS)


def no_key(authorization: str | None) -> Unauthenticated:
    """No key at all, or an Authorization header that is not a key's and no x-api-key beside it."""
    if authorization and authorization.lower() != "bearer":
        return Unauthenticated(
            "The Authorization header is not of the form `Bearer sk-rm_…`.", code="invalid_api_key"
        )
    return Unauthenticated(
        "No API key was sent. Send it as `Authorization: Bearer sk-rm_…`.", code="missing_api_key"
    )


def invalid_key() -> Unauthenticated:
    """The same words for every wrong key, so that they tell nothing about it."""
    return Unauthenticated(
        "This API key is not valid here. Check it for missing characters, or make a new one."
    )


def refusal(error: Exception) -> GatewayError:
    """The directory's error as the API says it."""
    if isinstance(error, ApiKeyRevoked):
        return Unauthenticated("This API key was revoked. Make a new one.", code="api_key_revoked")
    if isinstance(error, ApiKeyExpired):
        return Unauthenticated("This API key has expired. Make a new one.", code="api_key_expired")
    if isinstance(error, ApiKeyPaused):
        return Unauthenticated(str(error), code="api_key_paused")
    if isinstance(error, AccessTokenRefused):
        return Unauthenticated(f"This access token is not accepted: {error}.", code="invalid_access_token")
    if isinstance(error, KeysUnavailable):
        return Unavailable(
            "API keys cannot be checked at the moment. Try again shortly.",
            code="limits_unavailable",
            retry_after=5.0,
        )
    return invalid_key()
