"""What a hostile or broken provider, or a forged way back, achieves: a plain page, an audit entry, never a session."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from accounts.fake_login import ATTACKS
from accounts.models import AuditEntry, User
from accounts.oidc import refusals as refusing
from accounts.tests.visitor import ADA, BOTH, Visitor, provider_for, query_of, refusals

pytestmark = pytest.mark.django_db

# What the audit calls it, and what its detail says.
EXPECTED = {
    "wrong_aud": ("TokenRefused", "for another application"),
    "wrong_iss": ("TokenRefused", "of another issuer"),
    "wrong_azp": ("TokenRefused", "another client"),
    "other_client": ("TokenRefused", "for another application"),
    "expired": ("TokenExpired", "expired"),
    "issued_in_future": ("TokenRefused", "in the future"),
    "no_sub": ("TokenRefused", "no sub"),
    "no_email": ("TokenRefused", "no e-mail"),
    "no_role": ("NoAccess", "no role"),
    "wrong_signature": ("SignatureRefused", "none of the issuer's keys"),
    "alg_none": ("TokenRefused", "not signed with RS256"),
    "hs256_public_key": ("TokenRefused", "not signed with RS256"),
    "replayed_state": ("StateUnknown", "not of this browser"),
    "no_state": ("StateUnknown", "no state"),
    "error_page": ("ProviderSaidNo", "access_denied"),
    "not_json": ("ProviderSilent", "not JSON"),
    "no_id_token": ("TokenRefused", "there is none"),
    "huge": ("ProviderSilent", "larger than"),
    "redirecting_token": ("ProviderSilent", "status 302"),
}


@pytest.fixture(params=BOTH)
def visitor(request: pytest.FixtureRequest, settings: Any, monkeypatch: Any) -> Iterator[Visitor]:
    monkeypatch.setattr(refusing, "quota", refusing.Quota(60))  # what other tests took of it does not count
    with provider_for(settings, request.param) as provider:
        yield Visitor(provider)


def test_every_attack_is_expected_to_fail():
    assert set(EXPECTED) == set(ATTACKS)


@pytest.mark.fault("I25")
@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_ends_on_a_plain_page(visitor: Visitor, attack: str):
    visitor.provider.attack = attack
    page = visitor.sign_in(ADA)
    reason, detail = EXPECTED[attack]

    assert page.status_code in (400, 403, 503)
    assert (
        page["Content-Type"].startswith("text/html")
        and "<script" not in page.text
        and "owned" not in page.text
    )
    assert "no-store" in page["Cache-Control"]
    assert not visitor.is_signed_in and not User.objects.exists()
    (entry,) = refusals()
    assert entry["reason"] == reason and detail in entry["detail"]


@pytest.mark.parametrize("attack", ["redirecting_token"])
def test_a_redirect_of_the_token_endpoint_is_not_followed(visitor: Visitor, attack: str):
    visitor.provider.attack = attack
    visitor.sign_in(ADA)

    assert visitor.asked("/elsewhere") == []


def test_an_attack_takes_nothing_from_who_is_signed_in(visitor: Visitor):
    visitor.sign_in(ADA)
    for path in (
        "/auth/callback",
        "/auth/callback?code=x&state=y",
        "/auth/callback?error=access_denied&state=y",
    ):
        assert visitor.browser.get(path).status_code == 400

    assert visitor.browser.get("/admin/").status_code == 200


def test_the_way_back_works_once(visitor: Visitor):
    back = visitor.provider.sent_back(visitor.start(), ADA).removeprefix("http://testserver")

    assert visitor.browser.get(back).status_code == 302
    assert visitor.browser.get(back).status_code == 400


def test_the_way_back_of_another_browser_signs_nobody_in(visitor: Visitor):
    back = visitor.provider.sent_back(visitor.start(), ADA).removeprefix("http://testserver")
    victim = Client()

    assert victim.get(back).status_code == 400
    assert "_auth_user_id" not in victim.session


def test_a_sign_in_that_took_longer_than_an_hour_begins_again(visitor: Visitor):
    address = visitor.start()
    session = visitor.browser.session
    session["oidc_states"][query_of(address)["state"]]["added_on"] -= 3601
    session.save()

    assert visitor.come_back(address, ADA).status_code == 400
    assert refusals()[0]["detail"] == "the state is too old"


def test_a_code_of_somebody_elses_making_is_refused_by_the_provider(visitor: Visitor):
    state = query_of(visitor.start())["state"]
    page = visitor.browser.get(f"/auth/callback?code=guessed&state={state}")

    assert page.status_code == 403 and "did not let you in" in page.text
    assert refusals()[0]["detail"].startswith("the token endpoint answered 400")


def test_a_wrong_client_secret_is_a_plain_page(visitor: Visitor, settings: Any):
    settings.OIDC_CLIENT_SECRET = "a-wrong-secret"
    page = visitor.sign_in(ADA)

    assert page.status_code == 403 and "a-wrong-secret" not in page.text
    assert refusals()[0]["detail"].startswith("the token endpoint answered 401")


@pytest.mark.parametrize(
    "query", ["code=%00&state=%00", "code=a&state=b&state=c", "state=%F0%9F%A6%8A", "code=" + "a" * 9000]
)
def test_odd_addresses_are_plain_pages(visitor: Visitor, query: str):
    visitor.start()

    assert visitor.browser.get(f"/auth/callback?{query}").status_code == 400


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_the_way_back_is_fetched_and_nothing_else(visitor: Visitor, method: str):
    assert getattr(visitor.browser, method)("/auth/callback").status_code == 405


def test_strangers_cannot_fill_the_audit(visitor: Visitor, monkeypatch: Any):
    monkeypatch.setattr(refusing, "quota", refusing.Quota(3))
    for _ in range(6):
        assert visitor.browser.get("/auth/callback?code=a&state=b").status_code == 400

    assert len(refusals()) == 3


def test_the_room_in_the_audit_comes_back_with_the_minute():
    now = [100.0]
    quota = refusing.Quota(2, lambda: now[0])

    assert [quota.take() for _ in range(3)] == [True, True, False]
    now[0] += 60
    assert quota.take()


def test_an_entry_names_the_address_and_no_secret(visitor: Visitor):
    visitor.provider.attack = "expired"
    visitor.sign_in(ADA)
    entry = AuditEntry.objects.get()

    assert (entry.actor, entry.address) == ("anonymous", "127.0.0.1")
    assert visitor.provider.client_secret not in str(entry.changes) and "eyJ" not in str(entry.changes)
