"""Which path has which endpoint, and the endpoints that need few words."""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote

import jwt

from accounts.fake_login import authorization, exchange
from accounts.fake_login.attacks import tampered
from accounts.fake_login.people import lets_through_today
from accounts.fake_login.provider import Provider
from accounts.fake_login.wire import Reply, Request, json_reply

ACCESS_PREFIX, ACCESS_SUFFIX = "/api/user/", "/access"


class Endpoint(NamedTuple):
    """An endpoint's name in `stop_answering`, the methods it takes, and what answers."""

    name: str
    methods: tuple[str, ...]
    answer: Callable[[Provider, Request], Reply]


def answer(provider: Provider, request: Request) -> Reply:
    """The reply of the endpoint with this path."""
    endpoint = find_endpoint(request.path)
    if endpoint is None:
        return json_reply({"detail": "Not Found"}, 404)
    if request.method not in endpoint.methods:
        return json_reply({"detail": "Method Not Allowed"}, 405)
    return endpoint.answer(provider, request)


def endpoint_name(path: str) -> str:
    """What `stop_answering` calls the endpoint with this path; nothing where there is none."""
    endpoint = find_endpoint(path)
    return endpoint.name if endpoint else ""


def find_endpoint(path: str) -> Endpoint | None:
    """The endpoint with this path."""
    if path.startswith(ACCESS_PREFIX) and path.endswith(ACCESS_SUFFIX):
        return Endpoint("access", ("GET",), user_access)
    return ENDPOINTS.get(path)


def discovery(provider: Provider, _: Request) -> Reply:
    """Where everything is. Today's provider claims client_secret_basic and PKCE too, and has neither."""
    address = provider.issuer
    document = {
        "issuer": address,
        "authorization_endpoint": f"{address}/oauth2/authorize",
        "token_endpoint": f"{address}/oauth2/token",
        "userinfo_endpoint": f"{address}/oauth2/userinfo",
        "jwks_uri": f"{address}/oauth2/jwks",
        "revocation_endpoint": f"{address}/oauth2/revoke",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
    }
    return json_reply(document)


def jwks(provider: Provider, _: Request) -> Reply:
    """The public key, one."""
    return json_reply(provider.keys.jwks())


def userinfo(provider: Provider, request: Request) -> Reply:
    """The person of an access token; today's answers 401 to every token."""
    claims = bearer_claims(provider, request)
    person = provider.people.get(claims["sub"]) if claims else None
    if person is None:
        return json_reply({"detail": "Invalid or expired token"}, 401)
    document = {"sub": person.email, "name": person.name, "email": person.email, "role": person.role}
    told = tampered(document, provider.attack, int(provider.clock()))
    return json_reply({name: told[name] for name in document if told[name] is not None})


def revoke(provider: Provider, request: Request) -> Reply:
    """The token is void from now on, whether or not there was one; a conforming provider asks who wants it."""
    if provider.conforming:
        try:
            exchange.check_client(provider, request)
        except exchange.Refusal as refusal:
            return exchange.refuse(provider, refusal)
    token = request.fields.get("token")
    if not token:
        return json_reply({"detail": "token is missing"}, 400 if provider.conforming else 422)
    provider.refresh_tokens.pop(token, None)
    provider.revoked.add(token)
    return json_reply({"revoked": True})


def verify(provider: Provider, request: Request) -> Reply:
    """Whether a token is good, and whose it is; today's finds none good."""
    claims = bearer_claims(provider, request)
    if claims is None:
        return json_reply({"valid": False, "error": "Invalid or expired token"}, 401)
    names = ("sub", "role", "name", "exp", "aud")
    return json_reply({"valid": True, **{name: claims.get(name) for name in names}})


def user_access(provider: Provider, request: Request) -> Reply:
    """Whether a person, named by `sub`, may use `service`: asked by that person or by an admin."""
    claims = bearer_claims(provider, request)
    if claims is None:
        return json_reply({"detail": "Invalid token"}, 401)
    service = request.fields.get("service", "")
    if not service:
        return json_reply({"detail": "service is missing"}, 422)
    wanted = unquote(request.path.removeprefix(ACCESS_PREFIX).removesuffix(ACCESS_SUFFIX))
    if wanted != claims["sub"] and claims.get("role") != "admin":
        return json_reply({"detail": "Can only check own access"}, 403)
    person = provider.people.get(wanted)
    if person is None:
        return json_reply({"detail": "User not found"}, 404)
    allowed = lets_through_today(person, service)
    return json_reply({"user_id": wanted, "service": service, "has_access": allowed, "role": person.role})


def bearer_claims(provider: Provider, request: Request) -> dict[str, Any] | None:
    """The claims of a good access token; None for any other, and for every token by today's provider.

    Today's checks tokens without naming an audience, which its library refuses for all that have one.
    """
    token = request.bearer
    if not provider.conforming or token in provider.revoked:
        return None
    try:
        good = jwt.decode_complete(
            token, provider.keys.public, algorithms=["RS256"], issuer=provider.issuer, options=REQUIRED
        )
    except jwt.InvalidTokenError:
        return None
    return good["payload"] if good["header"].get("typ") == "at+jwt" else None


REQUIRED: Any = {"require": ["exp", "iat", "sub"], "verify_aud": False}

ENDPOINTS = {
    "/": Endpoint("portal", ("GET",), authorization.portal),
    "/login": Endpoint("login", ("GET", "POST"), authorization.login),
    "/logout": Endpoint("logout", ("POST",), authorization.logout),
    "/.well-known/openid-configuration": Endpoint("discovery", ("GET",), discovery),
    "/oauth2/authorize": Endpoint("authorize", ("GET",), authorization.authorize),
    "/oauth2/token": Endpoint("token", ("POST",), exchange.token),
    "/oauth2/userinfo": Endpoint("userinfo", ("GET", "POST"), userinfo),
    "/oauth2/jwks": Endpoint("jwks", ("GET",), jwks),
    "/oauth2/revoke": Endpoint("revoke", ("POST",), revoke),
    "/api/token/verify": Endpoint("verify", ("POST",), verify),
    exchange.DIVERTED_PATH: Endpoint("elsewhere", ("GET", "POST"), exchange.elsewhere),
}
