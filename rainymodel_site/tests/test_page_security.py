"""Headers that every page carries, and the exception that the admin theme needs."""

import pytest
from django.test import Client


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
