"""Rows marked in a list of the admin by hand: what cannot be one of its rows is said, with no error page."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import Role
from accounts.tests.people import key_of, person, signed_in

pytestmark = pytest.mark.django_db
KEYS, PROVIDERS = "/admin/accounts/apikey/", "/admin/routing/provider/"


@pytest.fixture
def admin() -> Client:
    return signed_in(person("ada", Role.ADMIN))


@pytest.mark.parametrize(
    ("address", "action", "marks"),
    [
        (KEYS, "revoke_selected", ["no-id"]),
        (KEYS, "revoke_selected", ["1"]),
        (PROVIDERS, "enable_selected", ["no-number"]),
        (PROVIDERS, "enable_selected", ["9" * 30]),
        (PROVIDERS, "delete_selected", ["1", "1 OR 1=1"]),
        (PROVIDERS, "enable_selected", [""]),
    ],
    ids=str,
)
def test_a_mark_that_no_row_has_leads_back_with_a_sentence(
    admin: Client, address: str, action: str, marks: list[str]
):
    form: dict[str, Any] = {"action": action, "_selected_action": marks}
    page = admin.post(address, form, follow=True)

    assert page.status_code == 200
    assert page.redirect_chain == [(address, 302)]
    assert "What was selected is not on this list." in page.text


def test_marks_of_rows_do_what_was_chosen(admin: Client):
    row, _ = key_of(person("grace"))
    page = admin.post(KEYS, {"action": "revoke_selected", "_selected_action": [str(row.pk)]})

    assert "Revoke this key?" in page.text
