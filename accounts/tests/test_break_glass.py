"""The way in while single sign-on does not work: a link from the server's own command line."""

from io import StringIO
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import AuditEntry, Role, SignInLink, User
from accounts.signin import ensure_local_operator, make_link
from accounts.tests.people import person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def in_production(settings: Any) -> None:
    settings.IS_PRODUCTION = True


def broken_glass(**options: Any) -> str:
    """The path that the command prints."""
    out = StringIO()
    call_command("breakglass", stdout=out, stderr=StringIO(), **options)
    return "/signin/" + out.getvalue().strip().split("/signin/")[1]


@pytest.mark.fault("I23")
def test_the_link_signs_the_local_operator_in_once():
    link, browser = broken_glass(), Client()

    assert "Sign in as operator" in browser.get(link).text
    assert browser.post(link)["Location"] == "/admin/"
    assert browser.get("/admin/").status_code == 200
    assert Client().post(link).status_code == 410


def test_the_session_lasts_an_hour():
    browser = Client()
    browser.post(broken_glass())

    assert 3590 < browser.session.get_expiry_age() <= 3600


def test_what_one_does_meanwhile_does_not_make_the_hour_longer(settings: Any):
    settings.OIDC_ISSUER, settings.OIDC_CLIENT_SECRET = "https://login.example", "a secret of the tests"
    browser = Client()
    browser.post(broken_glass())
    ends = browser.session.get_expiry_date()

    browser.get("/auth/login")  # stores something in the session

    assert "oidc_states" in browser.session and browser.session.get_expiry_date() == ends
    assert Session.objects.get(pk=browser.session.session_key).expire_date == ends


def test_links_of_development_still_do_not_work():
    link = make_link(ensure_local_operator())

    assert Client().get(link).status_code == Client().post(link).status_code == 404


def test_making_and_using_it_is_on_record():
    Client().post(broken_glass(), REMOTE_ADDR="192.0.2.7")
    made, used = AuditEntry.objects.filter(action__contains="break-glass").order_by("id")

    assert (made.action, made.subject) == ("made break-glass link", "operator")
    assert (used.action, used.actor, used.address) == ("signed in by break-glass", "operator", "192.0.2.7")


def test_the_link_lasts_half_an_hour():
    broken_glass()
    link = SignInLink.objects.get()

    assert 1795 < (link.expires_at - link.created_at).total_seconds() <= 1800


def test_another_admin_can_be_named():
    person("ada", Role.ADMIN)
    browser = Client()
    browser.post(broken_glass(user="ada"))

    assert browser.session["_auth_user_id"] == str(User.objects.get(username="ada").pk)


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.RESEARCHER, Role.VIEWER, Role.SERVICE])
def test_nobody_but_an_admin_comes_in_this_way(role: str):
    person("ada", role)
    with pytest.raises(CommandError, match="no admin 'ada'"):
        broken_glass(user="ada")


def test_an_operator_who_was_switched_off_stays_out():
    ensure_local_operator()
    User.objects.update(is_active=False)
    with pytest.raises(CommandError, match="switched off"):
        broken_glass()
