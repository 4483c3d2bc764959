"""The test sign-in provider by the book."""

from collections.abc import Iterator
from urllib.parse import quote

import jwt
import pytest

from accounts.fake_login import CONFORMING, FakeLogin, fake_login
from accounts.tests.fake_login_visits import (
    ADA,
    CHALLENGE,
    DAN,
    VERA,
    VERIFIER,
    authorize_path,
    basic,
    bearer,
    call,
    claims_of,
    code_form,
    exchange,
    query_of,
    refresh,
    secret_of,
    sent_back,
)


@pytest.fixture
def conforming() -> Iterator[FakeLogin]:
    with fake_login(CONFORMING) as provider:
        yield provider


def test_conforming_tokens_name_their_key_and_their_kind(conforming):
    answer = exchange(conforming).json
    kid = call(conforming, "/oauth2/jwks").json["keys"][0]["kid"]

    kinds = {name: jwt.get_unverified_header(answer[name]) for name in ("id_token", "access_token")}
    assert kinds["id_token"] == {"alg": "RS256", "kid": kid, "typ": "JWT"}
    assert kinds["access_token"] == {"alg": "RS256", "kid": kid, "typ": "at+jwt"}


def test_a_conforming_id_token_echoes_the_nonce_and_names_the_client(conforming):
    claims = claims_of(conforming, exchange(conforming).json["id_token"])
    assert (claims["nonce"], claims["azp"]) == ("a-nonce", conforming.client_id)


def test_conforming_userinfo_knows_the_person_of_an_access_token(conforming):
    answer = exchange(conforming).json
    asked = {name: bearer(answer[f"{name}_token"]) for name in ("access", "id", "refresh")}

    found = {name: call(conforming, "/oauth2/userinfo", **header) for name, header in asked.items()}
    assert found["access"].json == {"sub": ADA, "name": "Ada Byron", "email": ADA, "role": "admin"}
    assert (found["id"].status, found["refresh"].status) == (401, 401)


def test_conforming_endpoints_refuse_expired_and_revoked_tokens(conforming):
    expired, revoked = conforming.access_token(ADA, expires_in=-1), conforming.access_token(ADA)
    call(conforming, "/oauth2/revoke", {"token": revoked} | secret_of(conforming))

    for token in (expired, revoked):
        assert call(conforming, "/oauth2/userinfo", **bearer(token)).status == 401
        assert call(conforming, "/api/token/verify", {}, **bearer(token)).json["valid"] is False
    assert (
        call(conforming, "/api/token/verify", {}, **bearer(conforming.access_token(DAN))).json["sub"] == DAN
    )


def test_conforming_clients_prove_themselves_in_either_way_but_not_in_both(conforming):
    forms = [{}, secret_of(conforming)]
    codes = [sent_back(conforming)["code"] for _ in forms]
    answers = [
        call(conforming, "/oauth2/token", code_form(code) | form, **basic(conforming)).status
        for code, form in zip(codes, forms, strict=True)
    ]
    assert answers == [200, 400]


@pytest.mark.parametrize(
    ("challenge", "verifier", "status"),
    [
        (CHALLENGE, VERIFIER, 200),
        (CHALLENGE, "w" * 43, 400),
        (CHALLENGE, "", 400),
        ("", VERIFIER, 400),
        ("", "", 200),
    ],
    ids=["right", "wrong", "missing", "unasked", "without"],
)
def test_conforming_pkce_is_verified(conforming, challenge, verifier, status):
    code = sent_back(conforming, code_challenge=challenge)["code"]
    form = code_form(code, code_verifier=verifier) | secret_of(conforming)

    assert call(conforming, "/oauth2/token", form).status == status


@pytest.mark.parametrize(
    "changes",
    [{"response_type": "token"}, {"scope": "email"}, {"code_challenge_method": "plain"}],
    ids=lambda changes: next(iter(changes)),
)
def test_a_conforming_provider_says_what_is_wrong_with_a_login(conforming, changes):
    answer = sent_back(conforming, **changes)
    assert answer["error"] == "invalid_request" and next(iter(changes)) in answer["error_description"]


def test_conforming_prompt_none_is_answered_without_a_page(conforming):
    path = authorize_path(conforming, prompt="none")
    stranger = query_of(call(conforming, path).location)

    assert stranger == {"error": "login_required", "state": "a-state"}
    assert "code" in query_of(conforming.sent_back(path, ADA))


def test_a_conforming_login_page_leads_on_to_the_client(conforming):
    asked = call(conforming, authorize_path(conforming))
    signed_in = call(conforming, asked.location, {"email": DAN})

    assert signed_in.location == authorize_path(conforming)
    assert call(conforming, "/login?next=//evil.example/", {"email": DAN}).location == "/"


def test_a_conforming_provider_leaves_it_to_us_whom_to_let_in(conforming):
    for email, person in conforming.people.items():
        answer = call(
            conforming,
            "/oauth2/token",
            code_form(sent_back(conforming, email)["code"]) | secret_of(conforming),
        )
        assert claims_of(conforming, answer.json["id_token"]).get("role") == person.role


def test_a_conforming_renewal_has_an_id_token_without_a_nonce(conforming):
    answer = refresh(conforming, exchange(conforming).json["refresh_token"]).json
    assert "nonce" not in claims_of(conforming, answer["id_token"])


@pytest.mark.parametrize(
    ("asker", "whom", "status", "access"),
    [
        (ADA, DAN, 200, True),
        (DAN, DAN, 200, True),
        (ADA, VERA, 200, False),
        (DAN, ADA, 403, None),
        (ADA, "x", 404, None),
    ],
    ids=["admin", "oneself", "viewer", "another", "nobody"],
)
def test_access_of_a_person_is_told_to_that_person_and_to_admins(conforming, asker, whom, status, access):
    path = f"/api/user/{quote(whom, safe='')}/access?service=rm.orcest.ai"
    answer = call(conforming, path, **bearer(conforming.access_token(asker)))

    assert (answer.status, answer.json.get("has_access")) == (status, access)
