"""Signing in at the provider: who gets in, as whom, and where they end."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Role, User
from accounts.tests.people import person
from accounts.tests.visitor import (
    ADA,
    BOTH,
    DAN,
    NORA,
    ROSA,
    SAM,
    VERA,
    Visitor,
    provider_for,
    query_of,
    refusals,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(params=BOTH)
def visitor(request: pytest.FixtureRequest, settings: Any) -> Iterator[Visitor]:
    with provider_for(settings, request.param) as provider:
        yield Visitor(provider)


@pytest.fixture
def at_conforming(settings: Any) -> Iterator[Visitor]:
    with provider_for(settings, "conforming") as provider:
        yield Visitor(provider)


@pytest.mark.parametrize(
    ("email", "role", "home"),
    [(ADA, "admin", "/admin/"), (DAN, "developer", "/admin/"), (ROSA, "researcher", "/keys/")],
    ids=["admin", "developer", "researcher"],
)
def test_who_has_a_role_here_gets_in_with_it(visitor: Visitor, email: str, role: str, home: str):
    answer = visitor.sign_in(email)
    user = User.objects.get()

    assert (answer.status_code, answer["Location"]) == (302, home)
    assert (user.email, user.subject, user.issuer, user.role) == (email, email, visitor.provider.issuer, role)
    assert visitor.browser.get(home).status_code == 200
    assert not user.is_superuser and not user.has_usable_password()
    assert (timezone.now() - user.last_sign_in).total_seconds() < 60


@pytest.mark.parametrize("email", [VERA, NORA, SAM], ids=["viewer", "no role", "unknown role"])
def test_who_has_none_gets_a_page_that_says_so(at_conforming: Visitor, email: str):
    page = at_conforming.sign_in(email)

    assert page.status_code == 403 and "No access with this role" in page.text
    assert not at_conforming.is_signed_in and not User.objects.exists()
    assert refusals()[0]["reason"] == "NoAccess"


def test_todays_provider_keeps_others_than_admins_to_itself(settings: Any):
    with provider_for(settings, "today", client_id="rainymodel") as provider:
        visitor = Visitor(provider)

        assert provider.sent_back(visitor.start(), DAN) == ""
        assert visitor.sign_in(ADA).status_code == 302


def test_a_name_becomes_the_users(visitor: Visitor):
    visitor.sign_in(ROSA)
    user = User.objects.get()

    assert (user.first_name, user.last_name, user.username) == ("Rósa", "Þórsdóttir", ROSA)


def test_signing_in_is_on_record(visitor: Visitor):
    visitor.sign_in(ADA)
    actions = [(entry.action, entry.actor) for entry in AuditEntry.objects.order_by("id")]

    assert actions == [("created", ADA), ("signed in", ADA)]


def test_the_role_is_applied_anew_at_each_sign_in(at_conforming: Visitor):
    at_conforming.sign_in(ADA)
    at_conforming.provider.people[ADA] = replace_role(at_conforming, ADA, "researcher")
    at_conforming.sign_in(ADA)

    user = User.objects.get()
    assert (user.role, user.is_staff) == (Role.RESEARCHER, False)


def test_who_loses_the_role_there_loses_it_here(at_conforming: Visitor):
    at_conforming.sign_in(ADA)
    other = Visitor(at_conforming.provider)
    at_conforming.provider.people[ADA] = replace_role(at_conforming, ADA, "viewer")
    page = other.sign_in(ADA)

    assert page.status_code == 403 and not other.is_signed_in
    assert User.objects.get().role == Role.VIEWER
    assert at_conforming.browser.get("/admin/").status_code == 302


def test_people_are_told_apart_by_their_subject_not_by_their_address(at_conforming: Visitor):
    mallory = User.objects.create(username="mallory", email=ADA, role=Role.RESEARCHER)
    at_conforming.sign_in(ADA)

    mallory.refresh_from_db()
    assert mallory.role == Role.RESEARCHER and mallory.subject == ""
    assert User.objects.get(subject=ADA).role == Role.ADMIN


def test_somebody_elses_user_name_is_not_taken_over(at_conforming: Visitor):
    person(ADA)
    at_conforming.sign_in(ADA)
    user = User.objects.get(subject=ADA)

    assert user.username.startswith(f"{ADA}-") and user.email == ADA


def test_the_same_subject_of_another_issuer_is_somebody_else(at_conforming: Visitor):
    person("other", issuer="https://elsewhere.example", subject=ADA)
    at_conforming.sign_in(ADA)

    assert User.objects.count() == 2


def test_who_was_switched_off_here_stays_out(visitor: Visitor):
    visitor.sign_in(ADA)
    User.objects.update(is_active=False)
    page = Visitor(visitor.provider).sign_in(ADA)

    assert page.status_code == 403 and "switched off" in page.text
    assert visitor.browser.get("/admin/").status_code == 302
    assert refusals()[0]["reason"] == "SwitchedOff"


def test_a_researcher_who_came_from_the_admin_goes_on_to_the_keys(visitor: Visitor):
    assert visitor.sign_in(ROSA, "?next=/admin/")["Location"] == "/keys/"
    assert visitor.sign_in(ROSA, "?next=/usage/")["Location"] == "/usage/"


def test_one_goes_on_to_the_page_one_wanted(visitor: Visitor):
    answer = visitor.sign_in(ADA, "?next=/admin/accounts/user/")

    assert answer["Location"] == "/admin/accounts/user/"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)"])
def test_the_way_on_leads_nowhere_else(visitor: Visitor, target: str):
    assert visitor.sign_in(ADA, f"?next={target}")["Location"] == "/admin/"


def test_the_button_can_be_pressed_again_and_the_page_that_was_wanted_is_kept(visitor: Visitor):
    visitor.start("?next=/admin/accounts/user/")
    answer = visitor.sign_in(ADA)

    assert answer["Location"] == "/admin/accounts/user/"
    assert visitor.sign_in(ADA)["Location"] == "/admin/"


def test_two_sign_ins_in_two_tabs_both_end_well(visitor: Visitor):
    first, second = visitor.start(), visitor.start()

    assert visitor.come_back(second, ADA).status_code == 302
    assert visitor.come_back(first, ADA).status_code == 302


def test_the_browser_is_sent_with_state_nonce_and_pkce(visitor: Visitor):
    address = visitor.start()
    asked = query_of(address)

    assert address.startswith(f"{visitor.provider.issuer}/oauth2/authorize?")
    assert (asked["scope"], asked["response_type"], asked["client_id"]) == (
        "openid profile email",
        "code",
        visitor.provider.client_id,
    )
    assert asked["redirect_uri"] == "http://testserver/auth/callback"
    assert asked["code_challenge_method"] == "S256" and asked["state"] and asked["nonce"]


def test_the_secret_goes_into_the_form_with_the_verifier(visitor: Visitor):
    visitor.sign_in(ADA)
    (form,) = visitor.asked("/oauth2/token")

    assert form["client_secret"] == visitor.provider.client_secret and len(form["code_verifier"]) >= 43


def test_the_callback_is_the_one_of_the_public_address(at_conforming: Visitor, settings: Any):
    settings.PUBLIC_URL = "https://rm.orcest.ai"
    settings.ALLOWED_HOSTS = ["rm.orcest.ai", "testserver"]
    browser = Client(headers={"host": "rm.orcest.ai"})
    elsewhere = Client().get("/auth/login?next=/admin/")["Location"]

    assert elsewhere == "https://rm.orcest.ai/auth/login?next=/admin/"
    assert (
        query_of(browser.get("/auth/login")["Location"])["redirect_uri"]
        == "https://rm.orcest.ai/auth/callback"
    )


@pytest.mark.parametrize("address", ["https://TestServer", "https://testserver:8443"])
def test_the_public_address_may_be_written_differently(at_conforming: Visitor, settings: Any, address: str):
    settings.PUBLIC_URL = address

    assert at_conforming.start().startswith(at_conforming.provider.issuer)


def test_the_providers_list_is_asked_about_this_server(at_conforming: Visitor, settings: Any):
    settings.PUBLIC_URL = "https://unlisted.example"
    settings.ALLOWED_HOSTS = ["unlisted.example"]
    visitor = Visitor(at_conforming.provider)
    visitor.browser = Client(headers={"host": "unlisted.example"})
    page = visitor.sign_in(DAN)

    assert page.status_code == 403 and "No access" in page.text and not visitor.is_signed_in
    assert visitor.sign_in(ADA).status_code == 302
    asked = [
        request.fields["service"] for request in visitor.provider.requests if request.path.endswith("/access")
    ]
    assert asked == ["unlisted.example"] * 2


@pytest.mark.parametrize("path", ["/auth/login", "/auth/callback", "/auth/callback?code=a&state=b"])
def test_without_a_secret_there_is_a_page_that_says_so(path: str):
    page = Client().get(path)

    assert page.status_code == 403 and "Single sign-on is not set up here" in page.text


@pytest.mark.parametrize("path", ["/auth/callback/", "/auth/", "/auth/login/", "/auth/elsewhere"])
def test_the_addresses_are_exactly_these(path: str):
    assert Client().get(path).status_code == 404


def test_the_sign_in_page_has_the_button_and_keeps_where_to_go(visitor: Visitor, settings: Any):
    settings.IS_PRODUCTION = True
    page = Client().get("/signin/?next=/admin/accounts/user/")
    host = urlsplit(visitor.provider.issuer).netloc

    assert f"Continue with {host}" in page.text
    assert 'href="/auth/login?next=%2Fadmin%2Faccounts%2Fuser%2F"' in page.text
    assert "./manage.py signin_link" not in page.text and "not set up" not in page.text


def test_in_development_the_sign_in_page_explains_the_local_link_too(visitor: Visitor):
    page = Client().get("/signin/")

    assert "Continue with" in page.text and "./manage.py signin_link" in page.text


def test_a_researcher_is_told_who_is_signed_in(visitor: Visitor):
    visitor.sign_in(ROSA)
    page = visitor.browser.get("/signin/?next=/admin/")

    assert 'href="/keys/"' in page.text
    assert "You are signed in" in page.text and ROSA in page.text and "No access" not in page.text


def test_a_new_session_begins_with_a_sign_in(visitor: Visitor):
    visitor.start()
    before = visitor.browser.session.session_key
    visitor.sign_in(ADA)

    assert visitor.browser.session.session_key != before


def test_another_person_in_the_same_browser_replaces_the_first(visitor: Visitor):
    visitor.sign_in(ADA)
    visitor.sign_in(DAN)

    assert visitor.browser.session["_auth_user_id"] == str(User.objects.get(subject=DAN).pk)


def replace_role(visitor: Visitor, email: str, role: str) -> Any:
    """The provider's person with another role."""
    known = visitor.provider.people[email]
    return type(known)(known.email, known.name, role)
