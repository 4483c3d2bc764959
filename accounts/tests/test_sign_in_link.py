"""Signing in by a link that works once, and signing out."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Role, SignInLink, User
from accounts.signin import ensure_local_operator, make_link
from accounts.tests.people import person, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def link() -> str:
    return make_link(ensure_local_operator())


def test_the_page_behind_a_link_has_one_button_and_spends_nothing(link: str):
    browser = Client()
    for _ in range(3):
        page = browser.get(link)
        assert (page.status_code, page["Cache-Control"].count("no-store")) == (200, 1)
        assert "Sign in as operator" in page.text and page.text.count("<button") == 1
    assert "_auth_user_id" not in browser.session
    assert SignInLink.objects.get().used_at is None


def test_the_button_signs_in_and_leads_to_the_admin(link: str):
    browser = Client()
    answer = browser.post(link)

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")
    assert browser.get("/admin/").status_code == 200
    assert User.objects.get().last_sign_in is not None


def test_the_button_needs_the_form_it_stands_in(link: str):
    assert Client(enforce_csrf_checks=True).post(link).status_code == 403
    assert SignInLink.objects.get().used_at is None


def test_a_link_works_once(link: str):
    Client().post(link)
    for answer in (Client().post(link), Client().get(link)):
        assert answer.status_code == 410
        assert "used already" in answer.text and "./manage.py signin_link" in answer.text
    assert Client().post(link).wsgi_request.user.is_anonymous


def test_a_link_expires(link: str):
    SignInLink.objects.update(expires_at=timezone.now())
    answer = Client().post(link)

    assert answer.status_code == 410 and "expired" in answer.text


@pytest.mark.parametrize("token", ["x", "a" * 43, "%00", "ünknown", "a" * 5_000])
def test_a_wrong_link_is_a_plain_page(token: str):
    answer = Client().get(f"/signin/{token}")

    assert answer.status_code == 404 and "not valid" in answer.text


def test_a_link_of_somebody_switched_off_is_not_valid(link: str):
    User.objects.update(is_active=False)

    assert Client().post(link).status_code == 404


def test_links_do_not_exist_in_production(link: str, settings: Any):
    settings.IS_PRODUCTION = True

    assert Client().get(link).status_code == Client().post(link).status_code == 404
    assert SignInLink.objects.get().used_at is None


def test_only_the_hash_of_a_token_is_stored(link: str):
    token = link.removeprefix("/signin/")
    stored = SignInLink.objects.values().get()

    assert len(bytes(stored["token_hash"])) == 32
    assert token.encode() not in bytes(stored["token_hash"]) and token not in str(stored)
    assert token not in str(list(AuditEntry.objects.values()))


def test_links_that_expired_long_ago_are_cleared_away(link: str):
    SignInLink.objects.update(expires_at=timezone.now() - timedelta(days=2))
    make_link(User.objects.get())

    assert SignInLink.objects.count() == 1


def test_making_and_using_a_link_is_on_record_with_the_address(link: str):
    Client().post(link, REMOTE_ADDR="192.0.2.7")
    made, used = AuditEntry.objects.order_by("id").filter(action__contains="sign")[:2]

    assert (made.action, made.subject) == ("made sign-in link", "operator")
    assert (used.action, used.actor, used.address) == ("signed in", "operator", "192.0.2.7")


def test_the_local_operator_is_an_admin_without_password_and_not_a_superuser():
    first, second = ensure_local_operator(), ensure_local_operator()

    assert first.pk == second.pk
    assert (first.role, first.is_staff, first.is_superuser) == (Role.ADMIN, True, False)
    assert not first.has_usable_password()


def test_an_operator_who_was_switched_off_stays_so():
    ensure_local_operator()
    User.objects.update(is_active=False)

    assert not ensure_local_operator().is_active


def test_the_admin_sends_strangers_to_the_sign_in_page_and_remembers_where_they_were_going():
    answer = Client().get("/admin/accounts/apikey/", follow=True)

    assert answer.redirect_chain[-1][0] == "/signin/?next=/admin/accounts/apikey/"
    assert "./manage.py signin_link" in answer.text and "password" not in answer.text.lower()


def test_in_production_the_sign_in_page_names_no_link(settings: Any):
    settings.IS_PRODUCTION = True
    page = Client().get("/signin/")

    assert page.status_code == 200
    assert "./manage.py signin_link" not in page.text and "single sign-on" in page.text


def test_no_password_signs_anybody_in():
    user = person("ada", Role.ADMIN)
    user.set_password("correct horse")
    user.save()
    browser = Client()
    browser.post("/admin/login/", {"username": "ada", "password": "correct horse"})

    assert "_auth_user_id" not in browser.session
    assert not browser.login(username="ada", password="correct horse")


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ""])
def test_the_way_on_leads_nowhere_else(target: str):
    page = signed_in(ensure_local_operator()).get("/signin/", {"next": target})

    assert 'href="/admin/"' in page.text and "evil" not in page.text and "javascript:" not in page.text


def test_somebody_without_access_is_told_so():
    page = signed_in(person("vera", Role.VIEWER)).get("/admin/", follow=True)

    assert "No access with this role" in page.text and "Viewer" in page.text


@pytest.mark.parametrize("address", ["/signout/", "/admin/logout/"])
def test_signing_out_ends_the_session_and_says_so(address: str):
    browser = signed_in(ensure_local_operator())
    page = browser.post(address, follow=True)

    assert "You are signed out" in page.text
    assert "_auth_user_id" not in browser.session
    assert AuditEntry.objects.filter(action="signed out", actor="operator").count() == 1


def test_a_link_to_sign_out_signs_nobody_out():
    browser = signed_in(ensure_local_operator())
    page = browser.get("/signout/", follow=True)

    assert page.redirect_chain[-1][0] == "/signin/" and "Sign out" in page.text
    assert "_auth_user_id" in browser.session


def test_pages_load_nothing_from_elsewhere_and_hold_no_inline_script(link: str):
    for page in (Client().get("/signin/"), Client().get(link), Client().get("/signin/wrong")):
        own = re.sub(r'<script src="/static/rainymodel/\w+\.js"></script>', "", page.text)
        assert "<script" not in own and "style=" not in own and "//" not in own.replace("://", "")


def test_a_form_without_its_token_is_refused_and_no_log_line_holds_the_link(
    link: str, caplog: pytest.LogCaptureFixture
):
    page = Client(enforce_csrf_checks=True).post(link)

    assert page.status_code == 403 and "The form was too old" in page.text
    told = str([vars(record) for record in caplog.records])
    assert "a form was refused" in told and link.removeprefix("/signin/") not in told
    assert SignInLink.objects.get().used_at is None
