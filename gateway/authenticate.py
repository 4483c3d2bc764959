"""Who is calling: a credential from the headers → a Caller, or the 401 that says what is wrong with it."""

import re
from typing import Protocol
from urllib.parse import parse_qsl

from accounts.callers import Caller
from accounts.errors import ApiKeyExpired, ApiKeyRevoked, KeyRefused, KeysUnavailable
from gateway.call import Call
from gateway.errors import BadRequest, GatewayError, NotAllowed, Unauthenticated, Unavailable

LONGEST_CREDENTIAL = 4096
KEY_PARAMETERS = frozenset({"api_key", "apikey", "key", "api-key", "access_token"})
PRINTABLE = re.compile(r"^[\x21-\x7e]+$")


class Callers(Protocol):
    """What the gateway needs of the directory of callers."""

    def find(self, credential: str) -> Caller | None:
        """The caller when memory knows the credential well enough; None to look it up."""

    async def look_up(self, credential: str) -> Caller:
        """The caller, or one of accounts.errors."""


async def authenticate(call: Call, callers: Callers) -> Caller:
    """Raises Unauthenticated, BadRequest (key in the URL, two keys), NotAllowed (address) or Unavailable."""
    credential = read_credential(call)
    try:
        caller = callers.find(credential) or await callers.look_up(credential)
    except (KeyRefused, KeysUnavailable) as error:
        raise refusal(error) from None
    if caller.networks and not caller.may_call_from(call.client_address):
        raise NotAllowed("This API key may not be used from your address.", code="address_not_allowed")
    return caller


def read_credential(call: Call) -> str:
    """The one credential of the request: a Bearer token, or `x-api-key`, or the same in both."""
    if call.query_string and carries_key(call.query_string):
        raise BadRequest(
            "Do not put an API key into a URL: URLs end up in logs. Send it as `Authorization: Bearer …`, and roll "
            "the key you just exposed.",
            code="key_in_url",
        )
    authorization, api_key = call.header(b"authorization"), call.header(b"x-api-key")
    credentials = {credential for credential in (read_bearer(authorization), api_key) if credential}
    if len(credentials) > 1:
        raise BadRequest(
            "`Authorization` and `x-api-key` carry different keys. Send one.", code="two_api_keys"
        )
    if not credentials:
        raise no_key(authorization)
    (credential,) = credentials
    if len(credential) > LONGEST_CREDENTIAL or not PRINTABLE.match(credential):
        raise invalid_key()
    return credential


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
    if isinstance(error, KeysUnavailable):
        return Unavailable(
            "API keys cannot be checked at the moment. Try again shortly.",
            code="limits_unavailable",
            retry_after=5.0,
        )
    return invalid_key()
