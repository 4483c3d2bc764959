"""What a token must be to be believed. No I/O: the keys are given.

RS256 and nothing else, signed by one of the issuer's keys, for us, in time (60 s leeway), by the issuer of the
settings. The nonce is not compared: login.orcest.ai puts a random one into its ID tokens. They come straight from the
token endpoint for a code that state and PKCE tie to the browser, which is what a nonce would prove.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from accounts.oidc.errors import SignatureRefused, TokenExpired, TokenRefused
from accounts.oidc.provider import ALGORITHM, Provider

LEEWAY = 60
LONGEST_TOKEN = 16_384
MOST_KEYS = 20
SMALLEST_KEY = 2048
LONGEST_TEXT = 254
REQUIRED = ["iss", "sub", "aud", "exp", "iat"]
# Marks that only ID tokens carry, and marks that only access tokens carry.
ID_MARKS = frozenset({"nonce", "at_hash", "c_hash"})
ACCESS_MARKS = frozenset({"scope", "scp"})
ACCESS_TYPES = frozenset({"at+jwt", "application/at+jwt"})


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One public key of the issuer; its `kid` may be empty."""

    kid: str
    key: RSAPublicKey


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token speaks of. `expires_at` is seconds since 1970; empty texts were not stated."""

    issuer: str
    subject: str
    email: str
    name: str
    role: str
    expires_at: float


def read_keys(document: dict[str, Any]) -> tuple[SigningKey, ...]:
    """The RSA signing keys of a key set; what cannot be read or used is left out."""
    entries = document.get("keys")
    listed = entries[:MOST_KEYS] if isinstance(entries, list) else []
    return tuple(key for key in map(read_key, listed) if key is not None)


def read_key(entry: Any) -> SigningKey | None:
    """One entry of a key set, if it is an RSA key of 2048 bits or more for signatures."""
    fits = isinstance(entry, dict) and entry.get("kty") == "RSA"
    if not fits or entry.get("use", "sig") != "sig" or entry.get("alg", ALGORITHM) != ALGORITHM:
        return None
    try:
        key = jwt.PyJWK(entry, ALGORITHM).key
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    if not isinstance(key, RSAPublicKey) or key.key_size < SMALLEST_KEY:
        return None
    return SigningKey(str(entry.get("kid") or ""), key)


def read_id_token(token: Any, keys: Sequence[SigningKey], provider: Provider) -> Identity:
    """The identity in an ID token for our client. Raises TokenRefused."""
    claims = verify(token, keys, provider.issuer, [provider.client_id])
    audience, party = claims["aud"], claims.get("azp")
    if isinstance(audience, list) and len(audience) > 1 and party is None:
        raise TokenRefused("it has several audiences and names no authorized party")
    if party is not None and party != provider.client_id:
        raise TokenRefused("its authorized party is another client")
    found = identity_of(claims)
    if "@" not in found.email:
        raise TokenRefused("it has no e-mail address")
    return found


def read_bearer(token: str, keys: Sequence[SigningKey], provider: Provider) -> Identity:
    """The identity in an access token that our client was given for itself. Raises TokenRefused."""
    return identity_of(verify(token, keys, provider.issuer, [provider.client_id]))


def read_access_token(
    token: str, keys: Sequence[SigningKey], issuer: str, audiences: Sequence[str]
) -> Identity:
    """The identity in an access token for one of these audiences. Raises TokenRefused, also for ID tokens."""
    claims = verify(token, keys, issuer, audiences)
    if not is_access_token(header_of(token), claims):
        raise TokenRefused("it is an ID token")
    return identity_of(claims)


def is_access_token(header: dict[str, Any], claims: dict[str, Any]) -> bool:
    """Whether a token was made to call with, not to tell who somebody is.

    A type or a scope tells. Where it has neither, an e-mail address or an audience that is its own client gives an
    ID token away.
    """
    if str(header.get("typ", "")).lower() in ACCESS_TYPES:
        return True
    if ID_MARKS & claims.keys():
        return False
    if ACCESS_MARKS & claims.keys():
        return True
    return "email" not in claims and claims.get("azp", ()) not in audiences_of(claims)


def verify(token: Any, keys: Sequence[SigningKey], issuer: str, audiences: Iterable[str]) -> dict[str, Any]:
    """The claims of a token that one of the keys signed, for one of the audiences. Raises TokenRefused."""
    header = header_of(token)
    if header.get("alg") != ALGORITHM:
        raise TokenRefused(f"it is not signed with {ALGORITHM}")
    for key in keys:
        if key.kid and header.get("kid", key.kid) != key.kid:
            continue
        try:
            return decode(token, key, issuer, list(audiences))
        except jwt.InvalidSignatureError:
            continue
    raise SignatureRefused("none of the issuer's keys signed it")


def decode(token: str, key: SigningKey, issuer: str, audiences: list[str]) -> dict[str, Any]:
    """The claims. Raises InvalidSignatureError for another key, else TokenRefused."""
    try:
        return jwt.decode(
            token,
            key.key,
            algorithms=[ALGORITHM],
            audience=audiences,
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": REQUIRED},
        )
    except jwt.InvalidSignatureError:
        raise
    except jwt.ExpiredSignatureError:
        raise TokenExpired("it has expired") from None
    except jwt.ImmatureSignatureError:
        raise TokenRefused("it was issued in the future") from None
    except jwt.InvalidAudienceError:
        raise TokenRefused("it is for another application") from None
    except jwt.InvalidIssuerError:
        raise TokenRefused("it is of another issuer") from None
    except jwt.MissingRequiredClaimError as error:
        raise TokenRefused(f"it has no {error.claim}") from None
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise TokenRefused(f"it cannot be read: {type(error).__name__}") from None


def header_of(token: Any) -> dict[str, Any]:
    """What the token says of itself. Raises TokenRefused when it is none."""
    if not isinstance(token, str) or not token:
        raise TokenRefused("there is none")
    if len(token) > LONGEST_TOKEN:
        raise TokenRefused("it is too long")
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        raise TokenRefused("it is not a token") from None


def issuer_of(token: str) -> str:
    """The issuer that a token names, believed by nobody yet; empty for what is no token."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
        return ""
    return text_of(claims, "iss")


def identity_of(claims: dict[str, Any]) -> Identity:
    """The person of verified claims. Raises TokenRefused for a subject that could not be stored."""
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_TEXT or not subject.isprintable():
        raise TokenRefused("its subject cannot be stored")
    return Identity(
        issuer=str(claims["iss"]),
        subject=subject,
        email=text_of(claims, "email"),
        name=text_of(claims, "name"),
        role=text_of(claims, "role"),
        expires_at=float(claims["exp"]),
    )


def text_of(claims: dict[str, Any], name: str) -> str:
    """A claim that is one line of visible text of a sensible length; empty for anything else."""
    value = claims.get(name)
    fits = isinstance(value, str) and len(value) <= LONGEST_TEXT and value.isprintable()
    return value.strip() if fits and isinstance(value, str) else ""


def audiences_of(claims: dict[str, Any]) -> list[Any]:
    """The audiences, one or many."""
    audience = claims.get("aud")
    return audience if isinstance(audience, list) else [audience]
