"""What we say to the provider's token endpoint and its neighbours, and what becomes of the answers."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
import structlog
from django.conf import settings

from accounts.oidc.calls import Answer, ask, fetch, wait_for
from accounts.oidc.errors import NoAccess, ProviderSaidNo, ProviderSilent, SignatureRefused, TokenRefused
from accounts.oidc.provider import Provider
from accounts.oidc.session import Tokens
from accounts.oidc.tokens import Identity, SigningKey, read_bearer, read_id_token, read_keys, text_of

log = structlog.get_logger("accounts.oidc")


def redeem(provider: Provider, form: Mapping[str, str]) -> dict[str, Any]:
    """The answer to a code or a refresh token. Raises ProviderSaidNo or ProviderSilent.

    The secret goes into the form: login.orcest.ai reads it nowhere else.
    """
    answer = ask(provider.token, {**form, **credentials(provider)})
    if answer.status != 200:
        raise ProviderSaidNo(f"the token endpoint answered {answer.status} {error_in(answer)}".strip())
    return answer.document()


def identify(provider: Provider, id_token: Any) -> Identity:
    """Who the ID token speaks of, by keys fetched just now. Raises TokenRefused or ProviderSilent."""
    return read_id_token(id_token, signing_keys(provider), provider)


def identify_bearer(provider: Provider, access_token: str) -> Identity | None:
    """Who an access token for our client speaks of; None for one that is not for us to read. Raises ProviderSilent."""
    try:
        return read_bearer(access_token, signing_keys(provider), provider)
    except TokenRefused:
        return None


def signing_keys(provider: Provider) -> tuple[SigningKey, ...]:
    """The provider's keys as they are now. Raises ProviderSilent or SignatureRefused."""
    keys = read_keys(ask(provider.jwks).document())
    if not keys:
        raise SignatureRefused("the provider publishes no key that can be used")
    return keys


def check_access(provider: Provider, identity: Identity, access_token: str) -> None:
    """Ask whether the person may use this server, where the provider tells. Raises NoAccess when it says no.

    It knows services by their hosts, so without a public address there is nothing to ask.
    """
    service = urlsplit(settings.PUBLIC_URL).hostname
    if not service or not access_token:
        return
    try:
        answer = ask(provider.access_of(identity.subject, service), bearer=access_token)
        document = answer.document() if answer.status == 200 else {}
    except ProviderSilent:
        return
    if document.get("has_access") is False:
        raise NoAccess(f"the provider's list has no access to {service} for this person")


def tokens_in(document: Mapping[str, Any], before: Tokens | None = None) -> Tokens:
    """The tokens of an answer; what it does not renew stays as before."""
    before = before or Tokens()
    return Tokens(
        access=given(document, "access_token") or before.access,
        refresh=given(document, "refresh_token") or before.refresh,
    )


def revoke(provider: Provider, tokens: Tokens) -> bool:
    """End the tokens at the provider; whether it was told. At most five seconds, and never an error."""
    kinds = {"refresh_token": tokens.refresh, "access_token": tokens.access}
    told = wait_for(tell(provider, {kind: token for kind, token in kinds.items() if token}))
    if not told:
        log.warning("the provider could not be told of a sign-out")
    return told


async def tell(provider: Provider, tokens: Mapping[str, str]) -> bool:
    """Revoke all of them at once."""
    forms = [
        {"token": token, "token_type_hint": kind, **credentials(provider)} for kind, token in tokens.items()
    ]
    answers = await asyncio.gather(*(fetch(provider.revoke, form) for form in forms), return_exceptions=True)
    return all(isinstance(answer, Answer) and answer.status < 300 for answer in answers)


def credentials(provider: Provider) -> dict[str, str]:
    """Who is asking."""
    return {"client_id": provider.client_id, "client_secret": provider.client_secret}


def given(document: Mapping[str, Any], name: str) -> str:
    """A text of the answer, or nothing."""
    value = document.get(name)
    return value if isinstance(value, str) else ""


def error_in(answer: Answer) -> str:
    """The word for what was wrong, e.g. invalid_grant."""
    try:
        found = orjson.loads(answer.body)
    except ValueError:
        return ""
    return text_of(found, "error")[:80] if isinstance(found, dict) else ""
