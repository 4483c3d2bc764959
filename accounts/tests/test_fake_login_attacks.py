"""Every attack of the test sign-in provider."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import jwt
import pytest

from accounts.fake_login import CONFORMING, TODAY, FakeLogin, fake_login
from accounts.fake_login.attacks import CLAIM_ATTACKS, HUGE_BYTES
from accounts.fake_login.tokens import sign_hs256
from accounts.tests.fake_login_visits import (
    ADA,
    authorize_path,
    call,
    claims_of,
    exchange,
    public_key,
    query_of,
    sent_back,
)


@pytest.fixture(params=[TODAY, CONFORMING])
def provider(request: pytest.FixtureRequest) -> Iterator[FakeLogin]:
    with fake_login(request.param) as provider:
        yield provider


REFUSALS = {
    "wrong_aud": jwt.InvalidAudienceError,
    "other_client": jwt.InvalidAudienceError,
    "wrong_iss": jwt.InvalidIssuerError,
    "expired": jwt.ExpiredSignatureError,
    "issued_in_future": jwt.ImmatureSignatureError,
    "wrong_signature": jwt.InvalidSignatureError,
    "alg_none": jwt.InvalidAlgorithmError,
    "hs256_public_key": jwt.InvalidAlgorithmError,
}


@pytest.mark.parametrize("attack", sorted(REFUSALS))
def test_a_hostile_token_is_wrong_in_the_way_its_attack_says(provider, attack):
    provider.attack = attack
    token = exchange(provider).json["id_token"]

    with pytest.raises(REFUSALS[attack]):
        claims_of(provider, token)
    provider.attack = None
    assert claims_of(provider, exchange(provider).json["id_token"])


@pytest.mark.parametrize("attack", CLAIM_ATTACKS)
def test_an_attack_on_claims_leaves_the_signature_right(provider, attack):
    provider.attack = attack
    for token in (provider.id_token(ADA), provider.access_token(ADA)):
        jwt.decode(
            *(token, public_key(provider)),
            algorithms=["RS256"],
            options=dict.fromkeys(("verify_exp", "verify_iat", "verify_aud"), False),
        )


@pytest.mark.parametrize("name", ["sub", "email", "role"])
def test_a_claim_can_be_missing(provider, name):
    provider.attack = f"no_{name}"
    without = claims_of(provider, provider.id_token(ADA))
    given = claims_of(provider, provider.id_token(ADA, **{name: "given"}))

    assert set(given) - set(without) == {name} and given[name] == "given"


def test_the_authorized_party_can_be_another_client(provider):
    provider.attack = "wrong_azp"
    assert claims_of(provider, exchange(provider).json["id_token"])["azp"] == "other"


def test_the_unsigned_token_would_be_right_for_whoever_takes_none(provider):
    provider.attack = "alg_none"
    token = exchange(provider).json["id_token"]

    assert jwt.get_unverified_header(token)["alg"] == "none" and token.endswith(".")
    assert jwt.decode(token, options={"verify_signature": False})["sub"] == ADA


def test_the_hs256_token_would_be_right_for_whoever_takes_the_public_key_for_a_secret(provider):
    provider.attack = "hs256_public_key"
    token = exchange(provider).json["id_token"]

    claims = jwt.decode(token, options={"verify_signature": False})
    header = {name: value for name, value in jwt.get_unverified_header(token).items() if name == "kid"}
    assert token == sign_hs256(claims, header, provider.keys.public_pem)
    assert jwt.get_unverified_header(token)["alg"] == "HS256"


def test_a_state_of_an_earlier_login_comes_back(provider):
    sent_back(provider, state="first")
    provider.attack = "replayed_state"

    assert sent_back(provider, state="second")["state"] == "first"


def test_a_first_login_gets_a_state_that_nobody_gave(provider):
    provider.attack = "replayed_state"
    assert sent_back(provider, state="only")["state"] not in ("only", "")


def test_the_state_can_be_missing(provider):
    provider.attack = "no_state"
    assert set(sent_back(provider)) == {"code"}


def test_an_error_comes_back_with_a_script_for_a_description(provider):
    provider.attack = "error_page"
    answer = query_of(call(provider, authorize_path(provider)).location)

    assert (answer["error"], answer["state"]) == ("access_denied", "a-state")
    assert answer["error_description"].startswith("<script>")


def test_the_token_answer_can_be_a_page(provider):
    provider.attack = "not_json"
    answer = exchange(provider)
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/html")


def test_the_token_answer_can_lack_the_id_token(provider):
    provider.attack = "no_id_token"
    answer = exchange(provider).json
    assert "id_token" not in answer and "access_token" in answer


def test_the_token_answer_can_be_huge_and_right(provider):
    provider.attack = "huge"
    answer = exchange(provider)
    assert len(answer.body) > HUGE_BYTES and claims_of(provider, answer.json["id_token"])


def test_the_token_answer_can_redirect_to_a_host_that_has_the_right_tokens(provider):
    provider.attack = "redirecting_token"
    answer = exchange(provider)

    target = urlsplit(answer.location)
    assert (answer.status, target.hostname, target.port) == (302, "localhost", provider.port)
    assert claims_of(provider, call(provider, target.path).json["id_token"])


def test_an_unknown_attack_is_refused(provider):
    with pytest.raises(ValueError, match="wrong_aud"):
        provider.attack = "none"
    assert provider.attack is None


def test_an_unknown_behaviour_is_refused():
    with pytest.raises(ValueError, match="conforming"), fake_login("tomorrow"):
        pass
