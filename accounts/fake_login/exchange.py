"""The token endpoint: codes and refresh tokens against tokens."""

import hashlib
import hmac
import secrets
from typing import Any
from urllib.parse import urlsplit

from accounts.fake_login.attacks import HUGE_BYTES
from accounts.fake_login.provider import ACCESS_SECONDS, CODE_SECONDS, Grant, Provider
from accounts.fake_login.tokens import encode
from accounts.fake_login.wire import Reply, Request, html_reply, json_reply, redirect

DIVERTED_PATH = "/elsewhere"


class Refusal(Exception):
    """The request gets no tokens: OAuth's name of the error, a sentence, and the status."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.error, self.description, self.status = error, description, status


def token(provider: Provider, request: Request) -> Reply:
    """Tokens for a code or a refresh token, or an error in the shape of the part that is played."""
    try:
        answer = grant_tokens(provider, request)
    except Refusal as refusal:
        return refuse(provider, refusal)
    return under_attack(provider, answer)


def grant_tokens(provider: Provider, request: Request) -> dict[str, Any]:
    """The answer's document. Raises Refusal."""
    fields = request.fields
    kind = fields.get("grant_type", "authorization_code")
    if kind == "authorization_code":
        grant = take_code(provider, fields)
        check_client(provider, request)
        check_code(provider, grant, fields)
        return {**make_tokens(provider, grant), "id_token": provider.id_token(grant.email, nonce=grant.nonce)}
    if kind == "refresh_token":
        check_client(provider, request)
        return renew(provider, take_refresh_token(provider, fields))
    raise Refusal("unsupported_grant_type", "Unsupported grant type")


def take_code(provider: Provider, fields: dict[str, str]) -> Grant:
    """What the code stands for; whatever comes of it, it is spent."""
    grant = provider.codes.pop(fields.get("code", ""), None)
    if grant is None or provider.clock() - grant.made_at > CODE_SECONDS:
        raise Refusal("invalid_grant", "Invalid or expired authorization code")
    return grant


def take_refresh_token(provider: Provider, fields: dict[str, str]) -> Grant:
    """What the refresh token stands for; it is spent, the answer carries the next one."""
    grant = provider.refresh_tokens.pop(fields.get("refresh_token", ""), None)
    if grant is None:
        raise Refusal("invalid_grant", "Invalid or expired refresh token")
    return grant


def check_client(provider: Provider, request: Request) -> None:
    """Raises Refusal unless the client is ours and proves it; today's provider looks at the form only."""
    fields = request.fields
    given = (fields.get("client_id", ""), fields.get("client_secret", ""))
    if provider.conforming and request.basic is not None:
        if given[1]:
            raise Refusal("invalid_request", "Two ways of client authentication at once")
        given = request.basic
    if given != (provider.client_id, provider.client_secret):
        raise Refusal("invalid_client", "Invalid client credentials", 401)


def check_code(provider: Provider, grant: Grant, fields: dict[str, str]) -> None:
    """Raises Refusal unless redirect_uri and, for a conforming provider, the PKCE verifier fit the code."""
    if fields.get("redirect_uri") != grant.redirect_uri:
        raise Refusal("invalid_grant", "redirect_uri is not the one the code was made for")
    if not provider.conforming:
        return
    verifier = fields.get("code_verifier", "")
    if not grant.challenge and not verifier:
        return
    expected = encode(hashlib.sha256(verifier.encode()).digest())
    if not hmac.compare_digest(expected.encode(), grant.challenge.encode()):
        raise Refusal("invalid_grant", "code_verifier does not fit the code_challenge")


def make_tokens(provider: Provider, grant: Grant) -> dict[str, Any]:
    """An access token and a refresh token. Raises Refusal when the person is gone."""
    if grant.email not in provider.people:
        raise Refusal("invalid_grant", "User not found or inactive")
    refresh_token = secrets.token_urlsafe(64)
    provider.refresh_tokens[refresh_token] = grant
    return {
        "access_token": provider.access_token(grant.email),
        "token_type": "Bearer",
        "expires_in": ACCESS_SECONDS,
        "refresh_token": refresh_token,
        "scope": grant.scope,
    }


def renew(provider: Provider, grant: Grant) -> dict[str, Any]:
    """Fresh tokens; a conforming provider adds an ID token, without the nonce of a login that is over."""
    answer = make_tokens(provider, grant)
    if provider.conforming:
        answer["id_token"] = provider.id_token(grant.email)
    return answer


def refuse(provider: Provider, refusal: Refusal) -> Reply:
    """The error as OAuth 2 writes it, or as today's provider does."""
    if provider.conforming:
        document = {"error": refusal.error, "error_description": refusal.description}
    else:
        document = {"detail": refusal.description}
    return json_reply(document, refusal.status)


def under_attack(provider: Provider, answer: dict[str, Any]) -> Reply:
    """The answer as the attack has it; as it is where the attack is on something else."""
    if provider.attack == "not_json":
        return html_reply("<!doctype html><title>Busy</title><h1>We will be right back</h1>")
    if provider.attack == "no_id_token":
        return json_reply({name: value for name, value in answer.items() if name != "id_token"})
    if provider.attack == "huge":
        return json_reply({**answer, "padding": "x" * HUGE_BYTES})
    if provider.attack == "redirecting_token":
        # Whoever follows finds a flawless answer there, and a login that must not be.
        provider.diverted = json_reply(answer)
        return redirect(f"http://localhost:{urlsplit(provider.issuer).port}{DIVERTED_PATH}")
    return json_reply(answer)


def elsewhere(provider: Provider, _: Request) -> Reply:
    """The other host of an answer that redirects."""
    return provider.diverted or json_reply({"detail": "Not Found"}, 404)
