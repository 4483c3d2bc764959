"""Headers that every page carries, and the exception that the admin theme needs."""

import pytest
from django.test import Client

from accounts.models import Role
from rainymodel_site.tests.api_client import someone


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/signin/", "/signin/no-such-token"])
def test_pages_outside_the_admin_may_run_nothing_but_our_own(client: Client, path: str):
    policy = client.get(path).headers["content-security-policy"]

    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.django_db
def test_the_admin_may_evaluate_what_its_theme_is_made_of(client: Client):
    policy = client.get("/admin/").headers["content-security-policy"]

    assert "script-src 'self' 'unsafe-eval'" in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.django_db
def test_no_page_can_be_framed_sniffed_or_leak_its_address(client: Client):
    headers = client.get("/signin/").headers

    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    [
        "/admin/accounts/user/?role=%00",
        "/admin/accounts/auditentry/?action__exact=%00",
        "/admin/autocomplete/?term=%00&app_label=accounts&model_name=apikey&field_name=owner",
    ],
    ids=["filter", "audit", "autocomplete"],
)
def test_a_nul_in_an_address_is_no_failure_of_ours(client: Client, path: str):
    client.force_login(someone("root", Role.ADMIN))

    assert client.get(path).status_code == 400


@pytest.mark.django_db
@pytest.mark.parametrize("role", Role.values)
@pytest.mark.parametrize("method", ["get", "post"])
def test_nobody_has_a_password_to_change(client: Client, role: str, method: str):
    client.force_login(someone("somebody", role))

    for path in ("/admin/password_change/", "/admin/password_change/done/"):
        assert getattr(client, method)(path).status_code == 404
        assert getattr(Client(), method)(path).status_code == 404
    assert "password_change" not in client.get("/admin/", follow=True).text
