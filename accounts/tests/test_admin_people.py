"""Users and the audit in the admin."""

import pytest
from django.test import Client

from accounts.audit import record
from accounts.models import AuditEntry, Role, User
from accounts.tests.people import person, signed_in

pytestmark = pytest.mark.django_db
USERS, AUDIT = "/admin/accounts/user/", "/admin/accounts/auditentry/"


@pytest.fixture
def ada() -> User:
    return person("ada", Role.ADMIN)


@pytest.fixture
def admin(ada: User) -> Client:
    return signed_in(ada)


def test_a_service_is_added_without_a_password(admin: Client):
    assert "password" not in admin.get(f"{USERS}add/").text.lower()
    answer = admin.post(f"{USERS}add/", {"username": "lamino", "role": "service", "is_active": "on"})

    lamino = User.objects.get(username="lamino")
    assert answer.status_code == 302
    assert (lamino.role, lamino.has_usable_password(), lamino.is_staff) == ("service", False, False)


def test_a_role_is_changed_and_the_name_stays(admin: Client):
    grace = person("grace", Role.RESEARCHER)
    form = {"username": "mallory", "role": "developer", "is_active": "on", "email": "grace@example.org"}
    assert admin.post(f"{USERS}{grace.pk}/change/", form).status_code == 302

    grace.refresh_from_db()
    assert (grace.username, grace.role, grace.is_staff) == ("grace", "developer", True)


@pytest.mark.parametrize("form", [{"role": "admin"}, {"role": "viewer", "is_active": "on"}])
def test_nobody_takes_their_own_access_away(admin: Client, ada: User, form: dict[str, str]):
    page = admin.post(f"{USERS}{ada.pk}/change/", form)

    ada.refresh_from_db()
    assert "take your own access away" in page.text
    assert (ada.role, ada.is_active) == ("admin", True)


def test_no_form_makes_a_superuser(admin: Client):
    form = {"username": "eve", "role": "viewer", "is_active": "on", "is_superuser": "on", "is_staff": "on"}
    admin.post(f"{USERS}add/", form)

    eve = User.objects.get(username="eve")
    assert (eve.is_superuser, eve.is_staff) == (False, False)


def test_users_are_not_deleted(admin: Client):
    grace = person("grace")

    assert admin.post(f"{USERS}{grace.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_audit_is_read_with_everything_visible(admin: Client):
    entry = record(
        "ada\u202e",
        "changed",
        "<script>alert(1)</script>",
        {"label": ("a\x07", "<b>b</b>"), "on": (True, None)},
    )
    page = admin.get(f"{AUDIT}{entry.pk}/change/")

    assert page.status_code == 200 and bytes(entry.hash).hex() in page.text
    assert "<script>alert" not in page.text and "&lt;b&gt;b&lt;/b&gt;" in page.text
    assert "⟨U+202E⟩" in page.text and "⟨U+0007⟩" in page.text and "\u202e" not in page.text
    assert "&lt;script&gt;" in admin.get(AUDIT).text


def test_the_audit_offers_nothing_to_change(admin: Client):
    entry = record("ada", "changed", "row")
    address = f"{AUDIT}{entry.pk}/"

    assert admin.get(f"{AUDIT}add/").status_code == 403
    assert admin.post(f"{address}change/", {"actor": "eve"}).status_code == 403
    assert admin.post(f"{address}delete/", {"post": "yes"}).status_code == 403
    assert AuditEntry.objects.get(pk=entry.pk).actor == "ada"


@pytest.mark.parametrize("query", ["?q=ada", "?action=changed", "?q=%00", "?p=999", "?o=1.2"])
def test_the_audit_can_be_searched(admin: Client, query: str):
    record("ada", "changed", "row")

    assert admin.get(AUDIT + query, follow=True).status_code == 200


def test_a_developer_sees_neither_users_nor_the_audit():
    browser = signed_in(person("dev", Role.DEVELOPER))

    assert browser.get(USERS).status_code == browser.get(AUDIT).status_code == 403
