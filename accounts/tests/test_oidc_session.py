"""A session is confirmed at the provider from time to time; until then it may read and not write."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, AuditEntry, Role, User
from accounts.oidc.session import tokens_of
from accounts.tests.people import key_of, person, signed_in
from accounts.tests.visitor import ADA, BOTH, DAN, ROSA, Visitor, provider_for, refusals

pytestmark = pytest.mark.django_db
PAGE = "/admin/accounts/user/"


@pytest.fixture(params=BOTH)
def visitor(request: pytest.FixtureRequest, settings: Any) -> Iterator[Visitor]:
    with provider_for(settings, request.param) as provider:
        yield Visitor(provider)


@pytest.fixture
def at_conforming(settings: Any) -> Iterator[Visitor]:
    with provider_for(settings, "conforming") as provider:
        yield Visitor(provider)


def grow_stale(visitor: Visitor) -> None:
    """A quarter of an hour passes."""
    session = visitor.browser.session
    session["sso"] = {**session["sso"], "confirmed": session["sso"]["confirmed"] - 15 * 60}
    session.save()


def lose_refresh_tokens(visitor: Visitor) -> None:
    """The provider knows none of its refresh tokens any more."""
    visitor.provider.refresh_tokens.clear()


def renewals(visitor: Visitor) -> int:
    """How often the provider was asked by a refresh token."""
    return sum(form.get("grant_type") == "refresh_token" for form in visitor.asked("/oauth2/token"))


@pytest.mark.fault("I23")
def test_a_fresh_session_asks_nobody(visitor: Visitor):
    visitor.sign_in(ADA)
    before = len(visitor.provider.requests)

    assert visitor.browser.get(PAGE).status_code == 200
    assert len(visitor.provider.requests) == before


def test_a_stale_session_is_renewed_by_its_refresh_token(visitor: Visitor):
    visitor.sign_in(ADA)
    for round_ in (1, 2):
        grow_stale(visitor)
        assert visitor.browser.get(PAGE).status_code == 200
        assert visitor.browser.get(PAGE).status_code == 200
        assert renewals(visitor) == round_


def test_a_write_in_a_stale_session_goes_through_when_it_can_be_renewed(visitor: Visitor):
    visitor.sign_in(ADA)
    grow_stale(visitor)

    assert "Add user" in visitor.browser.post("/admin/accounts/user/add/", {}).text


def test_without_a_refresh_token_a_page_is_fetched_by_way_of_the_provider(visitor: Visitor):
    visitor.sign_in(ADA)
    grow_stale(visitor)
    lose_refresh_tokens(visitor)
    answer = visitor.browser.get(f"{PAGE}?q=a&p=1")

    assert (answer.status_code, answer["Location"]) == (
        302,
        "/auth/login?next=%2Fadmin%2Faccounts%2Fuser%2F%3Fq%3Da%26p%3D1",
    )
    back = visitor.come_back(visitor.browser.get(answer["Location"])["Location"], ADA)
    assert back["Location"] == f"{PAGE}?q=a&p=1"
    assert visitor.browser.get(PAGE).status_code == 200
    assert AuditEntry.objects.filter(action="signed in").count() == 1


@pytest.mark.fault("I23")
def test_a_stale_session_that_cannot_be_renewed_reads_but_does_not_write(visitor: Visitor):
    visitor.sign_in(ADA)
    grow_stale(visitor)
    visitor.provider.stop_answering = {"token": "refuse"}
    before = User.objects.count()

    assert visitor.browser.get(PAGE).status_code == 200
    page = visitor.browser.post("/admin/accounts/user/add/", {"username": "new"})
    assert page.status_code == 403 and "Please confirm that it is still you" in page.text
    assert 'href="/auth/login?next=%2Fadmin%2Faccounts%2Fuser%2Fadd%2F"' in page.text
    assert User.objects.count() == before


def test_the_first_request_of_a_stale_session_may_be_the_write(visitor: Visitor):
    visitor.sign_in(ADA)
    grow_stale(visitor)
    lose_refresh_tokens(visitor)

    for method in ("post", "put", "patch", "delete"):
        assert getattr(visitor.browser, method)(PAGE).status_code == 403


def test_a_provider_that_is_away_is_asked_once_a_minute(visitor: Visitor):
    visitor.sign_in(ADA)
    grow_stale(visitor)
    visitor.provider.stop_answering = {"token": "refuse"}
    for _ in range(5):
        assert visitor.browser.get(PAGE).status_code == 200

    assert renewals(visitor) == 1


def test_who_came_back_without_an_answer_may_read_on(visitor: Visitor):
    visitor.sign_in(ADA)
    grow_stale(visitor)
    lose_refresh_tokens(visitor)

    assert [visitor.browser.get(PAGE).status_code for _ in range(3)] == [302, 200, 200]


@pytest.mark.parametrize(
    "headers", [{"hx-request": "true"}, {"x-requested-with": "XMLHttpRequest"}, {"sec-fetch-dest": "empty"}]
)
def test_a_script_is_not_sent_round_by_the_provider(visitor: Visitor, headers: dict[str, str]):
    visitor.sign_in(ADA)
    grow_stale(visitor)
    lose_refresh_tokens(visitor)

    assert visitor.browser.get(PAGE, headers=headers).status_code == 200


def test_the_management_api_is_not_sent_round_by_the_provider_either(visitor: Visitor):
    visitor.sign_in(ADA)
    grow_stale(visitor)
    lose_refresh_tokens(visitor)

    assert visitor.browser.get("/api/elsewhere").status_code == 404
    assert visitor.browser.post("/api/elsewhere").status_code == 403


@pytest.mark.parametrize("path", ["/signout/", "/admin/logout/"])
def test_a_stale_session_can_be_left(visitor: Visitor, path: str):
    visitor.sign_in(ADA)
    grow_stale(visitor)
    lose_refresh_tokens(visitor)

    assert visitor.browser.post(path).status_code == 302
    assert not visitor.is_signed_in


def test_the_role_is_applied_when_a_session_is_renewed(visitor: Visitor):
    visitor.sign_in(ADA)
    grow_stale(visitor)
    visitor.provider.people[ADA] = type(visitor.provider.people[ADA])(ADA, "Ada Byron", "developer")

    assert visitor.browser.get(PAGE).status_code == 403
    assert User.objects.get().role == Role.DEVELOPER


def test_who_lost_the_role_is_out_when_the_session_is_renewed(visitor: Visitor):
    visitor.sign_in(ADA)
    grow_stale(visitor)
    visitor.provider.people[ADA] = type(visitor.provider.people[ADA])(ADA, "Ada Byron", "viewer")
    page = visitor.browser.get(PAGE)

    assert page.status_code == 403 and "No access with this role" in page.text
    assert not visitor.is_signed_in and User.objects.get().role == Role.VIEWER


def test_whom_the_providers_list_shuts_out_is_out_when_the_session_is_renewed(
    at_conforming: Visitor, settings: Any
):
    at_conforming.sign_in(DAN)
    key, _ = key_of(User.objects.get())
    grow_stale(at_conforming)
    settings.PUBLIC_URL = "https://unlisted.example"
    page = at_conforming.browser.get("/keys/")

    assert page.status_code == 403 and "No access with this role" in page.text
    assert not at_conforming.is_signed_in
    assert (User.objects.get().role, ApiKey.objects.get(pk=key.pk).state) == (Role.VIEWER, "paused")


def test_a_renewal_with_somebody_elses_token_ends_the_session(at_conforming: Visitor):
    at_conforming.sign_in(ADA)
    grow_stale(at_conforming)
    grants = at_conforming.provider.refresh_tokens
    for token, grant in list(grants.items()):
        grants[token] = type(grant)(
            **{name: getattr(grant, name) for name in grant.__slots__} | {"email": DAN}
        )

    assert at_conforming.browser.get(PAGE).status_code == 403
    assert not at_conforming.is_signed_in and refusals()[0]["detail"] == "it is of somebody else"


def test_a_renewal_with_a_forged_token_ends_the_session(at_conforming: Visitor):
    at_conforming.sign_in(ADA)
    grow_stale(at_conforming)
    at_conforming.provider.attack = "wrong_signature"

    assert at_conforming.browser.get(PAGE).status_code == 403
    assert not at_conforming.is_signed_in


def test_when_the_provider_turns_a_person_away_the_session_ends(at_conforming: Visitor):
    at_conforming.sign_in(ADA)
    grow_stale(at_conforming)
    lose_refresh_tokens(at_conforming)
    at_conforming.provider.attack = "error_page"
    answer = at_conforming.browser.get(PAGE)
    page = at_conforming.come_back(at_conforming.browser.get(answer["Location"])["Location"], ADA)

    assert page.status_code == 403 and "did not let you in" in page.text
    assert not at_conforming.is_signed_in


def test_a_session_by_link_is_not_confirmed_at_the_provider(visitor: Visitor, settings: Any):
    settings.OIDC_SESSION_AGE = 0
    browser = signed_in(person("operator", Role.ADMIN))

    assert browser.get(PAGE).status_code == 200
    assert visitor.provider.requests == []


def test_signing_out_ends_the_tokens_at_the_provider(visitor: Visitor):
    visitor.sign_in(ROSA)
    tokens = tokens_of(visitor.browser.session)
    page = visitor.browser.post("/signout/", follow=True)
    forms = visitor.asked("/oauth2/revoke")

    assert {form["token"] for form in forms} == {tokens.access, tokens.refresh}
    assert visitor.provider.refresh_tokens == {}
    assert "You are signed out here" in page.text and not visitor.is_signed_in


@pytest.mark.parametrize("silence", ["refuse", 30.0], ids=["down", "hanging"])
def test_signing_out_works_while_the_provider_is_away(at_conforming: Visitor, silence: Any):
    at_conforming.sign_in(ROSA)
    at_conforming.provider.stop_answering = {"revoke": silence}
    page = at_conforming.browser.post("/signout/", follow=True)

    assert "You are signed out here" in page.text and not at_conforming.is_signed_in


def test_a_database_holds_no_token_that_works(visitor: Visitor):
    visitor.sign_in(ADA)
    tokens = tokens_of(visitor.browser.session)
    stored = str([row.get_decoded() for row in Session.objects.all()])

    assert tokens.access and tokens.refresh
    assert tokens.access not in stored and tokens.refresh not in stored


def test_tokens_that_do_not_open_any_more_only_mean_a_way_by_the_provider(visitor: Visitor, settings: Any):
    visitor.sign_in(ADA)
    grow_stale(visitor)
    settings.SEALING_KEYS = "bm90IHRoZSBrZXkgdGhhdCBzZWFsZWQgdGhlIHRva2Vucw=="

    assert visitor.browser.get(PAGE).status_code == 302


def test_tokens_sealed_with_an_older_key_still_open(visitor: Visitor, settings: Any):
    visitor.sign_in(ADA)
    before = tokens_of(visitor.browser.session)
    settings.SEALING_KEYS = f"bm90IHRoZSBrZXkgdGhhdCBzZWFsZWQgdGhlIHRva2Vucw==,{settings.SEALING_KEYS}"

    assert tokens_of(visitor.browser.session) == before


def test_sessions_of_visitors_who_never_came_back_are_cleared_away(visitor: Visitor):
    Client().get("/auth/login")
    Session.objects.update(expire_date=timezone.now())
    visitor.sign_in(ADA)

    assert Session.objects.count() == 1
