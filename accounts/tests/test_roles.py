"""What each role may do."""

import pytest
from django.contrib.auth.models import AnonymousUser

from accounts.models import Role, User
from accounts.roles import GRANTS, RoleBackend, every_permission, permissions_of
from accounts.tests.people import person, signed_in

pytestmark = pytest.mark.django_db


def test_every_role_has_its_grants():
    assert set(GRANTS) == set(Role.values)


def test_an_admin_may_do_everything_with_the_catalogue_keys_and_users():
    ada = person("ada", Role.ADMIN)
    wanted = {name for name in every_permission() if name.startswith("routing.")}
    wanted |= {
        "accounts.add_apikey",
        "accounts.change_apikey",
        "accounts.change_user",
        "accounts.view_auditentry",
    }

    assert wanted <= ada.get_all_permissions()
    assert not ada.is_superuser and ada.is_staff


def test_an_admin_may_not_touch_the_audit_or_the_request_log():
    ada = person("ada", Role.ADMIN)

    assert not ada.has_perm("accounts.change_auditentry") and not ada.has_perm("accounts.delete_auditentry")
    assert ada.has_perm("gateway.view_requestlog") and not ada.has_perm("gateway.delete_requestlog")


def test_a_developer_reads_the_catalogue_and_the_log_and_changes_nothing():
    dev = person("dev", Role.DEVELOPER)

    assert dev.has_perm("routing.view_alias") and dev.has_perm("gateway.view_requestlog")
    assert dev.is_staff and dev.has_module_perms("routing") and not dev.has_module_perms("accounts")
    assert all(".view_" in name for name in dev.get_all_permissions())
    assert not dev.has_perm("routing.view_providersecret")


@pytest.mark.parametrize("role", [Role.RESEARCHER, Role.VIEWER, Role.SERVICE, "invented", ""])
def test_other_roles_have_no_part_in_the_admin(role: str):
    user = person("rae", role)

    assert (user.get_all_permissions(), user.is_staff) == (set(), False)


def test_a_role_that_is_taken_away_takes_the_admin_with_it():
    ada = person("ada", Role.ADMIN)
    browser = signed_in(ada)
    assert browser.get("/admin/").status_code == 200
    ada.role = Role.VIEWER
    ada.save(update_fields=["role"])

    assert browser.get("/admin/").status_code == 302
    assert User.objects.get().is_staff is False


def test_somebody_switched_off_is_signed_out_at_once():
    browser = signed_in(person("ada", Role.ADMIN))
    User.objects.update(is_active=False)

    assert browser.get("/admin/").status_code == 302


def test_permissions_are_never_about_single_objects_or_about_strangers():
    ada = person("ada", Role.ADMIN)

    assert RoleBackend().get_all_permissions(ada, obj=ada) == set()
    assert RoleBackend().get_all_permissions(AnonymousUser()) == set()


def test_groups_and_single_permissions_change_nothing():
    assert permissions_of(Role.VIEWER) == frozenset()
    assert RoleBackend().authenticate(None, username="ada", password="x") is None
