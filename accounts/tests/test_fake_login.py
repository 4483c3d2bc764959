"""The test sign-in provider: what both parts that it plays have in common."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from http.client import RemoteDisconnected

import jwt
import pytest

from accounts.fake_login import CONFORMING, TODAY, FakeLogin, fake_login
from accounts.tests.fake_login_visits import (
    ADA,
    CALLBACK,
    DAN,
    NORA,
    authorize_path,
    call,
    claims_of,
    code_form,
    exchange,
    public_key,
    refresh,
    secret_of,
    sent_back,
)


@pytest.fixture(params=[TODAY, CONFORMING])
def provider(request: pytest.FixtureRequest) -> Iterator[FakeLogin]:
    with fake_login(request.param) as provider:
        yield provider


class Clock:
    """A time that tests move."""

    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_login_ends_in_an_id_token_that_verifies_with_the_published_key(provider):
    answer = exchange(provider)

    claims = claims_of(provider, answer.json["id_token"])
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert [claims[name] for name in ("sub", "email", "name", "role")] == [ADA, ADA, "Ada Byron", "admin"]
    assert claims["exp"] - claims["iat"] == 3600


def test_the_state_comes_back_as_it_was_given(provider):
    state = "ä&=+ %"
    assert sent_back(provider, state=state)["state"] == state


def test_discovery_names_the_issuer_and_every_endpoint_answers(provider):
    document = call(provider, "/.well-known/openid-configuration").json

    assert document["issuer"] == provider.issuer
    for name in ("authorization", "token", "userinfo", "revocation"):
        path = document[f"{name}_endpoint"].removeprefix(provider.issuer)
        assert call(provider, path).status != 404
    assert call(provider, document["jwks_uri"].removeprefix(provider.issuer)).status == 200
    assert call(provider, "/oauth2/other").status == 404


def test_a_code_works_once(provider):
    code = sent_back(provider)["code"]
    form = code_form(code) | secret_of(provider)

    assert [call(provider, "/oauth2/token", form).status for _ in range(2)] == [200, 400]


@pytest.mark.parametrize(("waited", "status"), [(60, 200), (61, 400)])
def test_a_code_works_for_a_minute(waited, status):
    clock = Clock()
    with fake_login(clock=clock) as provider:
        code = sent_back(provider)["code"]
        clock.now += waited
        assert call(provider, "/oauth2/token", code_form(code) | secret_of(provider)).status == status


def test_the_redirect_uri_must_be_the_same_twice(provider):
    assert exchange(provider, redirect_uri=f"{CALLBACK}/").status == 400


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:8080/auth/callback/", "http://127.0.0.1:8080/", "javascript:/auth/callback", ""]
)
def test_nobody_is_sent_to_an_address_that_is_not_the_clients(provider, uri):
    answer = call(provider, authorize_path(provider, redirect_uri=uri))
    assert answer.status == 400 and "Location" not in answer.headers


def test_listed_redirect_uris_are_compared_exactly():
    with fake_login(redirect_uris=(CALLBACK,)) as provider:
        assert "code" in sent_back(provider)
        assert sent_back(provider, redirect_uri=f"{CALLBACK}?x=1") == {}


def test_an_unknown_client_gets_a_page(provider):
    assert call(provider, authorize_path(provider, client_id="other")).status == 400


@pytest.mark.parametrize(
    "changes", [{"client_secret": "wrong"}, {"client_id": "other"}], ids=["secret", "id"]
)
def test_tokens_need_the_clients_secret(provider, changes):
    assert exchange(provider, **changes).status == 401


def test_a_refresh_token_renews_once_and_brings_the_next_one(provider):
    first = exchange(provider).json
    second = refresh(provider, first["refresh_token"])

    assert second.status == 200 and claims_of(provider, second.json["access_token"])["role"] == "admin"
    assert refresh(provider, first["refresh_token"]).status == 400
    assert refresh(provider, second.json["refresh_token"]).status == 200


def test_a_renewed_token_carries_the_role_of_now(provider):
    token = exchange(provider).json["refresh_token"]
    provider.people[ADA] = replace(provider.people[ADA], role="viewer")

    assert claims_of(provider, refresh(provider, token).json["access_token"])["role"] == "viewer"


def test_somebody_who_is_gone_gets_no_more_tokens(provider):
    token = exchange(provider).json["refresh_token"]
    del provider.people[ADA]

    assert refresh(provider, token).status == 400


def test_a_revoked_refresh_token_is_void(provider):
    token = exchange(provider).json["refresh_token"]
    answer = call(provider, "/oauth2/revoke", {"token": token} | secret_of(provider))

    assert answer.status == 200
    assert refresh(provider, token).status == 400


def test_new_keys_have_the_old_kid_and_void_the_old_tokens(provider):
    token = exchange(provider).json["id_token"]
    before = call(provider, "/oauth2/jwks").json["keys"][0]
    provider.rotate_keys()
    after = call(provider, "/oauth2/jwks").json["keys"][0]

    assert before["kid"] == after["kid"] and before["n"] != after["n"]
    with pytest.raises(jwt.InvalidSignatureError):
        claims_of(provider, token)


def test_the_key_set_tells_nothing_private(provider):
    (key,) = call(provider, "/oauth2/jwks").json["keys"]
    assert set(key) == {"kty", "use", "kid", "alg", "n", "e"}


def test_what_was_asked_is_kept(provider):
    call(provider, "/oauth2/token?a=1", {"b": "ä"}, **{"X-Asked-By": "a test"})

    method, path, fields, headers = provider.requests[-1]
    assert (method, path, fields) == ("POST", "/oauth2/token", {"a": "1", "b": "ä"})
    assert headers["x-asked-by"] == "a test"


def test_a_token_can_have_any_claim_audience_and_age(provider):
    token = provider.access_token(DAN, audience="api", expires_in=-30, sub=None, extra=1)

    claims = jwt.decode(token, public_key(provider), algorithms=["RS256"], audience="api", leeway=60)
    assert "sub" not in claims and claims["extra"] == 1 and claims["exp"] - claims["iat"] == -30


def test_an_id_token_can_be_made_without_a_login(provider):
    claims = claims_of(provider, provider.id_token(NORA, name="Nóra"))
    assert (claims["email"], claims["name"], "role" in claims) == (NORA, "Nóra", False)


def test_an_endpoint_can_close_the_connection(provider):
    provider.stop_answering = {"token": "refuse"}
    with pytest.raises(RemoteDisconnected):
        exchange(provider)
    assert call(provider, "/oauth2/jwks").status == 200


def test_an_endpoint_can_keep_silent_and_a_stop_waits_for_nobody():
    with fake_login() as provider:
        provider.stop_answering = {"access": 3600.0}
        with socket.create_connection(("127.0.0.1", provider.port), timeout=20) as client:
            client.sendall(b"GET /api/user/1/access HTTP/1.0\r\n\r\n")
            assert call(provider, "/oauth2/jwks").status == 200
            provider.stop()
            assert client.recv(1) == b""


def test_an_endpoint_can_answer_byte_by_byte(provider):
    provider.stop_answering = {"jwks": "drip"}
    with socket.create_connection(("127.0.0.1", provider.port), timeout=20) as client:
        client.sendall(b"GET /oauth2/jwks HTTP/1.0\r\n\r\n")
        received = b""
        while not received.endswith(b"\r\n\r\n{"):
            received += client.recv(1) or pytest.fail(f"closed after {received!r}")
        assert client.recv(4096) == b'"'
    assert b" 200 " in received
