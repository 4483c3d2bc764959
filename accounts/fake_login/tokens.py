"""The provider's key pair and the tokens signed with it, or forged."""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm

KID = "orcest-sso-key-1"
KEY_BITS = 2048


class KeyPair:
    """An RSA key pair; every one has the same `kid`, as the provider gives it."""

    def __init__(self) -> None:
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)

    @property
    def public(self) -> rsa.RSAPublicKey:
        """The public half."""
        return self._private.public_key()

    @property
    def public_pem(self) -> bytes:
        """The public half as anyone may have it in a file."""
        return self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def jwks(self) -> dict[str, Any]:
        """The key set with this one key."""
        numbers = RSAAlgorithm.to_jwk(self.public, as_dict=True)
        public = {name: numbers[name] for name in ("kty", "n", "e")}
        return {"keys": [{**public, "kid": KID, "use": "sig", "alg": "RS256"}]}

    def sign(self, claims: dict[str, Any], header: dict[str, Any]) -> str:
        """A token as it should be: RS256."""
        return jwt.encode(claims, self._private, algorithm="RS256", headers=header)


def make_token(claims: dict[str, Any], header: dict[str, Any], keys: KeyPair, attack: str | None) -> str:
    """A compact token of the claims that are not None, signed, or forged where the attack is on signatures."""
    claims = {name: value for name, value in claims.items() if value is not None}
    if attack == "wrong_signature":
        return KeyPair().sign(claims, header)
    if attack == "alg_none":
        return f"{signing_input(claims, {**header, 'alg': 'none'})}."
    if attack == "hs256_public_key":
        return sign_hs256(claims, header, keys.public_pem)
    return keys.sign(claims, header)


def sign_hs256(claims: dict[str, Any], header: dict[str, Any], secret: bytes) -> str:
    """An HS256 token; by hand, because the library refuses to take a public key for a shared secret."""
    text = signing_input(claims, {**header, "alg": "HS256"})
    return f"{text}.{encode(hmac.new(secret, text.encode(), hashlib.sha256).digest())}"


def signing_input(claims: dict[str, Any], header: dict[str, Any]) -> str:
    """Header and claims as they are signed."""
    parts = ({"typ": "JWT", **header}, claims)
    return ".".join(encode(json.dumps(part, separators=(",", ":")).encode()) for part in parts)


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
