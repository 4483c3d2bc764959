"""The test sign-in provider with today's oddities."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import jwt
import pytest

from accounts.fake_login import TODAY, FakeLogin, fake_login
from accounts.fake_login.provider import SESSION_COOKIE
from accounts.tests.fake_login_visits import (
    ADA,
    DAN,
    ROSA,
    VERA,
    authorize_path,
    basic,
    call,
    claims_of,
    code_form,
    exchange,
    query_of,
    refresh,
    sent_back,
)


@pytest.fixture
def today() -> Iterator[FakeLogin]:
    with fake_login(TODAY) as provider:
        yield provider


def test_todays_tokens_name_no_key(today):
    answer = exchange(today).json
    for name in ("id_token", "access_token"):
        assert jwt.get_unverified_header(answer[name]) == {"alg": "RS256", "typ": "JWT"}


def test_todays_id_token_has_a_nonce_that_nobody_asked_for_and_no_azp(today):
    first, second = (claims_of(today, exchange(today).json["id_token"]) for _ in range(2))

    assert len({first["nonce"], second["nonce"], "a-nonce"}) == 3
    assert "azp" not in first


def test_todays_access_token_lacks_email_and_nonce_but_has_the_same_audience(today):
    claims = claims_of(today, exchange(today).json["access_token"])

    assert claims["sub"] == ADA and claims["aud"] == today.client_id
    assert not {"email", "nonce"} & set(claims)


def test_today_no_token_is_good_enough_for_the_provider_itself(today):
    bearer = {"Authorization": f"Bearer {exchange(today).json['access_token']}"}

    assert call(today, "/oauth2/userinfo", **bearer).status == 401
    assert call(today, "/api/token/verify", {}, **bearer).json["valid"] is False
    assert call(today, f"/api/user/{ADA}/access?service=rainymodel", **bearer).status == 401


def test_today_the_secret_is_read_from_the_form_only(today):
    answer = call(today, "/oauth2/token", code_form(sent_back(today)["code"]), **basic(today))

    assert (answer.status, answer.json) == (401, {"detail": "Invalid client credentials"})


def test_today_pkce_is_ignored(today):
    assert exchange(today, code_verifier="another").status == 200


def test_today_a_renewal_has_no_id_token(today):
    assert "id_token" not in refresh(today, exchange(today).json["refresh_token"]).json


def test_today_the_login_page_forgets_where_to_go_on_and_the_second_visit_succeeds(today):
    asked = call(today, authorize_path(today))
    assert (asked.status, urlsplit(asked.location).path) == (302, "/login")

    signed_in = call(today, asked.location, {"email": ADA})
    cookie = signed_in.headers["Set-Cookie"].partition(";")[0]
    assert signed_in.location == "/"
    assert f"Signed in as {ADA}" in call(today, "/", Cookie=cookie).body.decode()
    assert "code" in query_of(call(today, authorize_path(today), Cookie=cookie).location)


def test_today_nothing_is_known_of_prompt_none(today):
    assert urlsplit(call(today, authorize_path(today, prompt="none")).location).path == "/login"


@pytest.mark.parametrize(
    ("client_id", "welcome"),
    [("rainymodel", {ADA}), ("rm.orcest.ai", {ADA, DAN, ROSA})],
    ids=["name", "host"],
)
def test_today_the_client_id_decides_who_is_let_through(client_id, welcome):
    with fake_login(client_id=client_id) as provider:
        assert {email for email in provider.people if "code" in sent_back(provider, email)} == welcome
        page = call(provider, authorize_path(provider), Cookie=f"{SESSION_COOKIE}={provider.sign_in(VERA)}")
        assert page.status == 403 and f"{VERA} (viewer) has no access" in page.body.decode()
