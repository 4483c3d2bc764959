"""The provider is down, hangs, answers nonsense, or has new keys."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from accounts.fake_login import fake_login
from accounts.models import User
from accounts.oidc.calls import Answer, fetch
from accounts.oidc.errors import ProviderSilent
from accounts.tests.visitor import ADA, BOTH, Visitor, provider_for, refusals

pytestmark = pytest.mark.django_db


@pytest.fixture(params=BOTH)
def visitor(request: pytest.FixtureRequest, settings: Any) -> Iterator[Visitor]:
    with provider_for(settings, request.param) as provider:
        yield Visitor(provider)


@pytest.mark.parametrize("endpoint", ["token", "jwks"])
def test_a_provider_that_closes_the_door_is_a_page_that_says_so(visitor: Visitor, endpoint: str):
    visitor.provider.stop_answering = {endpoint: "refuse"}
    page = visitor.sign_in(ADA)

    assert page.status_code == 503 and "does not answer" in page.text and "Sign in again" in page.text
    assert not visitor.is_signed_in and not User.objects.exists()
    assert refusals()[0]["reason"] == "ProviderSilent"


def test_a_provider_that_hangs_is_given_up_after_five_seconds(settings: Any):
    with provider_for(settings, "today") as provider:
        visitor = Visitor(provider)
        provider.stop_answering = {"token": 30.0}
        page = visitor.sign_in(ADA)

        assert page.status_code == 503 and not visitor.is_signed_in
        assert refusals()[0]["detail"] == "no answer within 5 s"


@pytest.mark.fault("I23")
def test_a_provider_that_is_gone_is_a_page_that_says_so(settings: Any):
    with provider_for(settings, "today") as provider:
        visitor = Visitor(provider)
        back = provider.sent_back(visitor.start(), ADA).removeprefix("http://testserver")
    page = visitor.browser.get(back)

    assert page.status_code == 503 and not visitor.is_signed_in


def test_after_a_failure_the_next_try_works(visitor: Visitor):
    visitor.provider.stop_answering = {"token": "refuse"}
    visitor.sign_in(ADA)
    visitor.provider.stop_answering = {}

    assert visitor.sign_in(ADA).status_code == 302


@pytest.mark.fault("I24")
def test_new_keys_under_the_old_name_are_found(visitor: Visitor):
    visitor.sign_in(ADA)
    visitor.provider.rotate_keys()

    assert Visitor(visitor.provider).sign_in(ADA).status_code == 302


def test_pages_need_no_provider(settings: Any):
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_SECRET = "http://127.0.0.1:9", "a-secret"

    assert Client().get("/signin/").status_code == 200
    assert Client().get("/auth/login").status_code == 302


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"[" * 100_000, b"null", b'{"a": 1e999'])
def test_what_is_no_object_is_no_answer(body: bytes):
    with pytest.raises(ProviderSilent):
        Answer(200, body).document()


async def test_a_redirect_is_no_answer():
    with fake_login(behaviour="today") as provider, pytest.raises(ProviderSilent, match="302"):
        await fetch(f"{provider.issuer}/logout", {})


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/", "http://[::1", "ftp://127.0.0.1/", "login"])
async def test_an_address_that_leads_nowhere_is_no_answer(address: str):
    with pytest.raises(ProviderSilent):
        await fetch(address)
