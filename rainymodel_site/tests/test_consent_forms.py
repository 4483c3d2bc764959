"""Consent to keep prompts: off by default, given and taken back by the key's owner, an operator, or the API."""

from typing import Any

import pytest

from accounts.models import ApiKey, AuditEntry
from accounts.tests.people import key_of, person, signed_in
from rainymodel_site.tests.api_client import Api

pytestmark = pytest.mark.django_db


def sent(row: ApiKey, **fields: Any) -> dict[str, Any]:
    """The form of the key as a browser sends it."""
    return {"label": row.label, "direct_calls": "on", **fields}


def test_an_owner_gives_consent_and_takes_it_back():
    row, _ = key_of(person("rosa"))
    browser, page = signed_in(row.owner), f"/keys/{row.pk}/"
    assert not row.store_prompts and "prompts are kept" not in browser.get("/keys/").text

    browser.post(page, sent(row, store_prompts="on"))
    row.refresh_from_db()
    assert row.store_prompts
    assert "prompts are kept for 7 days" in browser.get("/keys/").text

    browser.post(page, sent(row))
    row.refresh_from_db()
    assert not row.store_prompts
    changes = AuditEntry.objects.filter(actor="rosa", action="changed").values_list("changes", flat=True)
    assert [each["store_prompts"] for each in changes] == [[True, False], [False, True]]


def test_an_operator_sets_it_in_the_admin():
    row, _ = key_of(person("rosa"))
    browser = signed_in(person("olga", role="admin"))
    answer = browser.post(f"/admin/accounts/apikey/{row.pk}/change/", sent(row, store_prompts="on"))

    row.refresh_from_db()
    assert answer.status_code == 302 and row.store_prompts


def test_the_api_sets_and_shows_it():
    row, _ = key_of(person("rosa"))
    _, text = key_of(row.owner, "of the script")
    api = Api(text)
    assert api.get(f"keys/{row.pk}/").json()["store_prompts"] is False

    assert api.patch(f"keys/{row.pk}/", {"store_prompts": True}).json()["store_prompts"] is True
    row.refresh_from_db()
    assert row.store_prompts
