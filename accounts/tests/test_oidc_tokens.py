"""What makes a token believable, key by key and claim by claim."""

import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from accounts.oidc.errors import SignatureRefused, TokenRefused
from accounts.oidc.provider import Provider
from accounts.oidc.tokens import SigningKey, issuer_of, read_access_token, read_id_token, read_keys

US = Provider("https://login.example", "rainymodel", "secret")
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS = (SigningKey("one", PRIVATE.public_key()),)


def token(header: dict[str, Any] | None = None, key: Any = PRIVATE, **changes: Any) -> str:
    """An ID token for us; None takes a claim away."""
    now = int(time.time())
    claims = {
        "iss": US.issuer,
        "sub": "ada",
        "aud": "rainymodel",
        "iat": now,
        "exp": now + 60,
        "email": "a@b.c",
    }
    kept = {name: value for name, value in {**claims, **changes}.items() if value is not None}
    return jwt.encode(kept, key, algorithm="RS256", headers=header)


def entry(key: Any, **more: Any) -> dict[str, Any]:
    """A public key as a key set has it."""
    return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), **more}


@pytest.fixture(scope="module")
def small() -> Any:
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


def test_the_identity_is_what_the_token_says():
    found = read_id_token(token(name="Ada Byron", role="admin"), KEYS, US)

    assert (found.subject, found.email, found.name, found.role) == ("ada", "a@b.c", "Ada Byron", "admin")


@pytest.mark.parametrize("header", [None, {"kid": "one"}], ids=["no kid", "kid"])
def test_a_header_may_name_the_key_or_not(header: dict[str, str] | None):
    assert read_id_token(token(header), KEYS, US).subject == "ada"


def test_a_header_that_names_another_key_is_refused():
    with pytest.raises(SignatureRefused):
        read_id_token(token({"kid": "two"}), KEYS, US)


def test_the_right_one_of_several_keys_is_found():
    other = SigningKey("zero", rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key())

    assert read_id_token(token(), (other, *KEYS), US).subject == "ada"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["rainymodel", "other"]},
        {"aud": ["rainymodel", "other"], "azp": "other"},
        {"aud": []},
        {"sub": ""},
        {"sub": "a" * 300},
        {"sub": "a\x00b"},
        {"exp": None},
        {"iat": None},
        {"iss": None},
        {"aud": None},
        {"exp": "soon"},
        {"email": "nobody"},
        {"email": ["a@b.c"]},
        {"email": "a" * 300 + "@b.c"},
    ],
    ids=str,
)
def test_claims_that_are_not_as_they_should_be_are_refused(changes: dict[str, Any]):
    with pytest.raises(TokenRefused):
        read_id_token(token(**changes), KEYS, US)


def test_several_audiences_are_fine_when_the_party_is_us():
    assert read_id_token(token(aud=["rainymodel", "other"], azp="rainymodel"), KEYS, US).subject == "ada"


@pytest.mark.fault("I14")
def test_a_minute_of_leeway_is_given():
    now = int(time.time())

    assert read_id_token(token(iat=now + 50, exp=now + 90), KEYS, US).subject == "ada"
    assert read_id_token(token(iat=now - 90, exp=now - 50), KEYS, US).subject == "ada"
    with pytest.raises(TokenRefused):
        read_id_token(token(exp=now - 70), KEYS, US)


@pytest.mark.parametrize("text", [None, "", 7, "a.b.c", "....", "ey.ey.ey", "x" * 20_000, "é.é.é"], ids=repr)
def test_what_is_no_token_is_refused(text: Any):
    with pytest.raises(TokenRefused):
        read_id_token(text, KEYS, US)


@pytest.mark.parametrize("text", ["", "a.b.c", "....", "ey.ey.ey", "é.é.é", token(iss=None)])
def test_what_names_no_issuer_has_none(text: str):
    assert issuer_of(text) == ""


def test_of_a_key_set_only_what_can_verify_is_taken(small: Any):
    curve = ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
    odd = [None, 7, {}, {"kty": "RSA"}, {"kty": "RSA", "n": "?", "e": "?"}, curve, entry(small)]
    unfit = [entry(PRIVATE, use="enc"), entry(PRIVATE, alg="RS512"), {"kty": "oct", "k": "c2VjcmV0"}]

    assert read_keys({"keys": [*odd, *unfit, entry(PRIVATE, kid="one")]}) == KEYS
    assert read_keys({"keys": "none"}) == read_keys({}) == ()


@pytest.mark.parametrize(
    ("header", "changes"),
    [
        (None, {"email": None}),
        (None, {"scope": "openid", "azp": "rainymodel"}),
        (None, {"scp": ["openid"]}),
        ({"typ": "at+jwt"}, {}),
        ({"typ": "application/at+jwt"}, {"nonce": "n"}),
    ],
    ids=str,
)
def test_access_tokens_call(header: dict[str, str] | None, changes: dict[str, Any]):
    found = read_access_token(token(header, **changes), KEYS, US.issuer, ["other", "rainymodel"])

    assert found.subject == "ada"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"nonce": "n"},
        {"email": None, "at_hash": "h"},
        {"email": None, "azp": "rainymodel"},
        {"scope": "a", "nonce": "n"},
    ],
    ids=str,
)
def test_id_tokens_do_not_call(changes: dict[str, Any]):
    with pytest.raises(TokenRefused, match="ID token"):
        read_access_token(token(**changes), KEYS, US.issuer, ["rainymodel"])
