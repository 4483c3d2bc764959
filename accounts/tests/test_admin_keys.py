"""API keys in the admin: made, shown once, limited, revoked."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.keys import hash_key, parse_key
from accounts.models import ApiKey, Role
from accounts.tests.people import key_of, person, signed_in

pytestmark = pytest.mark.django_db
ADD, LIST = "/admin/accounts/apikey/add/", "/admin/accounts/apikey/"
KEY = re.compile(r"sk-rm_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}")


@pytest.fixture
def admin() -> Client:
    return signed_in(person("ada", Role.ADMIN))


def filled(browser: Client, **fields: Any) -> dict[str, Any]:
    """The form of a new key as a browser would send it."""
    page = browser.get(ADD)
    creation = re.search(r'name="creation" value="([^"]+)"', page.text)
    owner = re.search(r'<option value="(\d+)"[^>]*>ada', page.text)
    assert creation and owner
    return {"creation": creation[1], "owner": owner[1], "label": "Lamino", "direct_calls": "on", **fields}


def test_a_new_key_is_shown_once_with_a_request_to_try(admin: Client, settings: Any):
    page = admin.post(ADD, filled(admin))
    texts = set(KEY.findall(page.text))

    row = ApiKey.objects.get()
    assert page.status_code == 200 and len(texts) == 1
    text = texts.pop()
    assert parse_key(text) == row.kid and bytes(row.secret_hash) == hash_key(text, settings.KEY_PEPPER)
    assert "http://testserver/v1/chat/completions" in page.text and "no-store" in page["Cache-Control"]
    for address in (LIST, f"{LIST}{row.pk}/change/", f"{LIST}{row.pk}/history/"):
        again = admin.get(address)
        assert again.status_code == 200 and text not in again.text and text[15:] not in again.text


def test_sending_the_form_twice_makes_one_key(admin: Client):
    form = filled(admin)
    admin.post(ADD, form)
    again = admin.post(ADD, form, follow=True)

    assert ApiKey.objects.count() == 1
    assert not KEY.search(again.text) and "has made its key already" in again.text


def test_the_page_with_the_key_runs_no_inline_script(admin: Client):
    page = admin.post(ADD, filled(admin)).text
    ours = page[page.index('class="new-key"') :].split("</form>")[0]

    assert "accounts/copy.js" in page and "onclick" not in ours


def test_limits_and_lists_are_stored(admin: Client):
    admin.post(
        ADD,
        filled(
            admin,
            requests_per_minute="60",
            max_body_mb="50",
            aliases="rainymodel/auto,\nclaude-*, ",
            networks="10.0.0.0/8",
        ),
    )

    row = ApiKey.objects.get()
    assert (row.requests_per_minute, row.max_body_mb) == (60, 50)
    assert (row.aliases, row.networks) == (["rainymodel/auto", "claude-*"], ["10.0.0.0/8"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("label", ""),
        ("label", "two\x07bells"),
        ("label", "x" * 81),
        ("requests_per_minute", "0"),
        ("requests_per_minute", "-1"),
        ("requests_per_minute", "99999999999"),
        ("concurrent_requests", "0"),
        ("concurrent_requests", "10001"),
        ("max_body_mb", "51"),
        ("max_body_mb", "0"),
        ("networks", "10.0.0.1/8"),
        ("networks", "10.0.0.0/8, somewhere"),
        ("aliases", "two words"),
        ("highest_tier", "Not A Slug"),
        ("owner", "999999"),
        ("owner", ""),
    ],
)
def test_what_makes_no_sense_is_refused_by_the_form(admin: Client, field: str, value: str):
    page = admin.post(ADD, filled(admin, **{field: value}))

    assert page.status_code == 200 and not KEY.search(page.text)
    assert page.context["adminform"].form.errors[field]
    assert not ApiKey.objects.exists()


def test_a_key_cannot_expire_in_the_past(admin: Client):
    yesterday = timezone.now() - timedelta(days=1)
    page = admin.post(ADD, filled(admin, expires_at_0=f"{yesterday:%Y-%m-%d}", expires_at_1="12:00:00"))

    assert "A key cannot expire in the past" in page.text and not ApiKey.objects.exists()


def test_an_expired_key_can_still_be_renamed(admin: Client):
    row, _ = key_of(person("grace"))
    past = (timezone.now() - timedelta(days=1)).replace(microsecond=0)
    ApiKey.objects.update(expires_at=past)
    form = {
        "label": "Old Lamino",
        "expires_at_0": f"{past:%Y-%m-%d}",
        "expires_at_1": f"{past:%H:%M:%S}",
        "direct_calls": "on",
    }

    assert admin.post(f"{LIST}{row.pk}/change/", form).status_code == 302
    assert ApiKey.objects.get().label == "Old Lamino"


def test_editing_a_limit_changes_nothing_else(admin: Client):
    row, text = key_of(person("grace"), aliases=["rainymodel/auto"])
    hashed = bytes(row.secret_hash)
    form = {"label": "Lamino", "aliases": "rainymodel/auto", "direct_calls": "on", "requests_per_minute": "9"}

    assert admin.post(f"{LIST}{row.pk}/change/", {**form, "owner": "1", "kid": "x"}).status_code == 302
    row = ApiKey.objects.get()
    assert (row.requests_per_minute, row.aliases, row.owner.username) == (9, ["rainymodel/auto"], "grace")
    assert (bytes(row.secret_hash), row.kid) == (hashed, text[6:14])


def test_a_key_is_revoked_after_a_question(admin: Client):
    row, _ = key_of(person("grace"))
    question = admin.get(f"{LIST}{row.pk}/revoke", follow=True)
    assert "Revoke this key?" in question.text and ApiKey.objects.get().revoked_at is None
    done = admin.post(f"{LIST}revoke/", {"id": str(row.pk)}, follow=True)

    assert "Revoked: Lamino" in done.text and ApiKey.objects.get().state == "revoked"
    assert "revoked" in admin.get(LIST).text


def test_several_keys_are_revoked_together(admin: Client):
    grace = person("grace")
    ids = [str(key_of(grace, f"key {number}")[0].pk) for number in range(3)]
    question = admin.post(LIST, {"action": "revoke_selected", "_selected_action": ids[:2]})
    assert "Revoke 2 keys?" in question.text and ids[2] not in question.text
    admin.post(f"{LIST}revoke/", {"id": ids[:2]})

    assert ApiKey.objects.filter(revoked_at=None).count() == 1


def test_a_revoked_key_is_only_to_look_at(admin: Client):
    row, _ = key_of(person("grace"))
    admin.post(f"{LIST}revoke/", {"id": str(row.pk)})
    moment = ApiKey.objects.get().revoked_at

    assert admin.post(f"{LIST}{row.pk}/change/", {"label": "New"}).status_code == 403
    assert "revoked already" in admin.get(f"{LIST}revoke/?id={row.pk}", follow=True).text
    admin.post(f"{LIST}revoke/", {"id": str(row.pk)})
    assert ApiKey.objects.get().revoked_at == moment


@pytest.mark.parametrize("ids", [[], ["nonsense"], ["00000000-0000-0000-0000-000000000000"], ["\x00"]])
def test_revoking_what_is_not_there_does_nothing(admin: Client, ids: list[str]):
    assert admin.get(f"{LIST}revoke/", {"id": ids}).status_code == 302
    assert admin.post(f"{LIST}revoke/", {"id": ids}).status_code == 302


def test_keys_cannot_be_deleted(admin: Client):
    row, _ = key_of(person("grace"))

    assert admin.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert ApiKey.objects.exists()


@pytest.mark.parametrize("state", ["open", "expired", "revoked", "nonsense"])
def test_the_list_can_be_narrowed_by_state(admin: Client, state: str):
    key_of(person("grace"))

    page = admin.get(LIST, {"state": state}, follow=True)
    assert (page.status_code, "Lamino" in page.context["cl"].result_list.__str__()) == (
        200,
        state in {"open", "nonsense"},
    )


def test_a_developer_sees_no_keys():
    browser = signed_in(person("dev", Role.DEVELOPER))
    row, _ = key_of(person("grace"))

    for address in (LIST, ADD, f"{LIST}{row.pk}/change/", f"{LIST}revoke/?id={row.pk}"):
        assert browser.get(address).status_code == 403
    assert browser.post(f"{LIST}revoke/", {"id": str(row.pk)}).status_code == 403
    assert ApiKey.objects.get().revoked_at is None


@pytest.mark.parametrize("id", ["abc", "%00", "9" * 40], ids=["word", "nul", "number"])
@pytest.mark.parametrize("page", ["roll", "revoke", "change", "history"])
def test_an_address_of_no_key_is_no_failure_of_ours(admin: Client, page: str, id: str):
    assert admin.get(f"{LIST}{id}/{page}/").status_code in (302, 403, 404)
