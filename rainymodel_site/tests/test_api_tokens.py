"""Access tokens and sessions of single sign-on at the management API."""

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.fake_login import FakeLogin
from accounts.models import Role, User
from accounts.tests.visitor import ADA, BOTH, Visitor, provider_for
from rainymodel_site.tests.api_client import Api, refused, someone

pytestmark = pytest.mark.django_db


@pytest.fixture(params=BOTH)
def provider(request: pytest.FixtureRequest, settings: Any) -> Iterator[FakeLogin]:
    settings.OIDC_API_AUDIENCES = ("rainymodel-api",)
    with provider_for(settings, request.param) as running:
        yield running


def known(provider: FakeLogin, role: str = Role.RESEARCHER) -> User:
    return someone(ADA, role, email=ADA, issuer=provider.issuer, subject=ADA)


def with_token(provider: FakeLogin) -> Api:
    return Api(provider.access_token(ADA, audience="rainymodel-api"))


def test_an_access_token_acts_as_its_person(provider: FakeLogin):
    known(provider)
    api = with_token(provider)

    told = api.get("me").json()
    made = api.post("keys/", {"label": "by token", "requests_per_minute": 5})

    assert (told["user"], told["signed_in_by"], told["operator"]) == (ADA, "token", False)
    assert (made.status_code, made.json()["owner"]) == (201, ADA)


def test_the_token_of_an_admin_is_no_operator(provider: FakeLogin):
    known(provider, Role.ADMIN)

    refused(with_token(provider).get("users"), 403, "operators_only")


def test_the_token_of_somebody_unknown_or_shut_out_is_refused(provider: FakeLogin):
    refused(with_token(provider).get("me"), 401, "invalid_access_token")
    known(provider, Role.VIEWER)
    refused(with_token(provider).get("me"), 401, "invalid_access_token")


@pytest.mark.parametrize("kind", ["id token", "other audience", "forged"])
def test_another_token_is_refused(provider: FakeLogin, kind: str):
    known(provider)
    tokens = {
        "id token": lambda: provider.id_token(ADA, aud="rainymodel-api"),
        "other audience": lambda: provider.access_token(ADA, audience="orcide"),
        "forged": lambda: provider.access_token(ADA, audience="rainymodel-api")[:-20] + "A" * 20,
    }

    refused(Api(tokens[kind]()).get("me"), 401, "invalid_access_token")


def test_a_stale_session_reads_and_is_told_in_the_one_shape_that_it_may_not_write(
    provider: FakeLogin, settings: Any
):
    visitor = Visitor(provider)
    visitor.sign_in(ADA)
    api = Api()
    api.client = visitor.browser
    assert api.post("keys/", {"label": "fresh"}).status_code == 201
    settings.OIDC_SESSION_AGE = -1
    settings.OIDC_CLIENT_SECRET = ""  # so that nobody is asked

    assert api.get("keys/").status_code == 200
    told = refused(api.post("keys/", {"label": "stale"}), 403, "session_stale")
    assert "Nothing was changed" in told and "Sign in again at http://" in told and "/auth/login" in told


def test_a_session_that_ended_at_its_check_says_where_to_sign_in(provider: FakeLogin, settings: Any):
    visitor = Visitor(provider)
    visitor.sign_in(ADA)
    api = Api()
    api.client = visitor.browser
    settings.OIDC_SESSION_AGE = -1
    provider.people[ADA] = type(provider.people[ADA])(ADA, "Ada Byron", "viewer")

    told = refused(api.post("keys/", {"label": "stale"}), 403, "session_ended")

    assert "No access with this role" in told and "/auth/login" in told
    assert not visitor.is_signed_in


def test_expired_tokens_are_no_guesses(provider: FakeLogin, settings: Any):
    settings.TRUSTED_PROXIES = 1
    known(provider)
    there = {"X-Forwarded-For": {"today": "203.0.113.81", "conforming": "203.0.113.82"}[provider.behaviour]}
    expired = Api(provider.access_token(ADA, audience="rainymodel-api", expires_in=-3600))
    forged = Api(expired.headers["Authorization"].removeprefix("Bearer ")[:-20] + "A" * 20)

    for _ in range(25):
        assert "it has expired" in refused(expired.get("me", **there), 401, "invalid_access_token")
    guesses = [forged.get("me", **there).status_code for _ in range(21)]

    assert guesses == [401] * 20 + [429]
