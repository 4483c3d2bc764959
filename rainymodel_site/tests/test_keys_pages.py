"""The pages of own keys: who may open them, what they show, what their forms do."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.keys import hash_key, parse_key
from accounts.models import ApiKey, AuditEntry, Role, User
from accounts.signin import make_link
from accounts.tests.people import key_of, person, signed_in
from gateway.models import RequestLog
from gateway.uuid7 import IdMaker
from rainymodel_site.tests.browser import FormReader
from routing.models import Tier, TierPolicy

pytestmark = pytest.mark.django_db
LIST, NEW = "/keys/", "/keys/new/"
KEY = re.compile(r"sk-rm_[0-9A-Za-z]{8}_[0-9A-Za-z]{38}")
HOSTILE = "<script>alert(1)</script>{{ 7*7 }}"


@pytest.fixture
def rosa() -> User:
    return person("rosa")


@pytest.fixture
def browser(rosa: User) -> Client:
    return signed_in(rosa)


def fields(page: HttpResponse) -> dict[str, Any]:
    reader = FormReader()
    reader.feed(page.text)
    return reader.fields


def send(browser: Client, address: str, follow: bool = False, **edits: Any) -> HttpResponse:
    """Send an address's form back as a browser does, with some fields edited."""
    form = {**fields(browser.get(address)), **edits}
    return browser.post(
        address, {name: value for name, value in form.items() if value is not None}, follow=follow
    )


def page_of(row: ApiKey, page: str = "") -> str:
    return f"/keys/{row.pk}/{page}"


def test_who_is_not_signed_in_is_sent_to_sign_in_and_back(client: Client):
    row, _ = key_of(person("rosa"))

    for address in (LIST, NEW, page_of(row), page_of(row, "roll/"), page_of(row, "revoke/")):
        answer = client.get(address)
        assert (answer.status_code, answer["Location"]) == (302, f"/signin/?next={address}")
        assert address == LIST or client.post(address, {"label": "x", "keep": "0"}).status_code == 302
    assert ApiKey.objects.get().revoked_at is None


@pytest.mark.parametrize(
    ("role", "status"),
    [
        (Role.ADMIN, 200),
        (Role.DEVELOPER, 200),
        (Role.RESEARCHER, 200),
        (Role.VIEWER, 403),
        (Role.SERVICE, 403),
    ],
)
def test_who_may_open_the_pages(role: Role, status: int):
    answer = signed_in(person("somebody", role)).get(LIST)

    assert answer.status_code == status
    assert ("No access with this role" in answer.text) is (status == 403)


def test_nobody_opens_the_keys_of_others_but_an_operator(rosa: User):
    row, _ = key_of(rosa)
    dan, ada = signed_in(person("dan", Role.DEVELOPER)), signed_in(person("ada", Role.ADMIN))

    for page in ("", "roll/", "revoke/"):
        assert dan.get(page_of(row, page)).status_code == 404
        assert dan.post(page_of(row, page), {"label": "x", "keep": "0"}).status_code == 404
        assert "rosa" in ada.get(page_of(row, page)).text
    assert ApiKey.objects.get().revoked_at is None
    assert "Lamino" not in ada.get(LIST).text


@pytest.mark.parametrize("role", [Role.RESEARCHER, Role.VIEWER, Role.DEVELOPER])
def test_the_first_page_after_signing_in_is_one_the_role_may_open(client: Client, role: Role):
    page = client.post(make_link(person("somebody", role)), follow=True)

    assert (
        page.redirect_chain[0][0] == {"researcher": LIST, "viewer": "/signin/", "developer": "/admin/"}[role]
    )


def test_an_empty_list_says_what_a_key_is_and_how_to_make_one(browser: Client):
    page = browser.get(LIST).text

    assert "No key yet" in page and f'href="{NEW}"' in page and "<table" not in page


def test_a_new_key_is_shown_once_with_what_each_client_needs(browser: Client, rosa: User, settings: Any):
    settings.PUBLIC_URL = "https://rm.example"
    page = send(browser, NEW, label="Lamino")

    row, texts = ApiKey.objects.get(), set(KEY.findall(page.text))
    assert page.status_code == 200 and len(texts) == 1 and "no-store" in page["Cache-Control"]
    text = texts.pop()
    assert parse_key(text) == row.kid and bytes(row.secret_hash) == hash_key(text, settings.KEY_PEPPER)
    assert row.owner == rosa and row.label == "Lamino"
    for client in ("curl", "Python", "Node.js", "Claude Code", "Codex", "Continue", "aider", "Open WebUI"):
        assert client in page.text
    for line in (
        "curl https://rm.example/v1/chat/completions",
        f"ANTHROPIC_AUTH_TOKEN={text}",
        "ANTHROPIC_BASE_URL=https://rm.example\n",
        'base_url = "https://rm.example/v1"',
    ):
        assert line in page.text
    for address in (LIST, page_of(row), page_of(row, "roll/"), "/usage/"):
        assert text not in browser.get(address).text


@pytest.mark.fault("C29")
def test_the_owner_of_a_key_that_stood_in_a_url_is_told_to_roll_it(browser: Client, rosa: User):
    row, _ = key_of(rosa, exposed_at=datetime(2026, 1, 31, tzinfo=UTC))

    for address in (LIST, page_of(row)):
        assert "stood in a URL on 31 Jan 2026: roll it" in browser.get(address).text

    ApiKey.objects.update(revoked_at=timezone.now())
    assert "stood in a URL" not in browser.get(page_of(row)).text


def test_the_examples_name_a_model_that_the_key_may_use(browser: Client):
    page = send(browser, NEW, label="Lamino", aliases="claude-*, lab/small").text

    assert '"model": "lab/small"' in page and "rainymodel/auto" not in page


def test_the_copy_buttons_and_their_live_region_need_no_inline_script(browser: Client):
    page = send(browser, NEW, label="Lamino")

    assert "rainymodel/keys.js" in page.text and 'role="status"' in page.text
    assert not re.search(r"<script(?![^>]*\bsrc=)|\sstyle=|\son\w+=", page.text)
    assert "unsafe" not in page["Content-Security-Policy"]


def test_sending_the_form_twice_makes_one_key(browser: Client):
    form = {**fields(browser.get(NEW)), "label": "Lamino"}
    browser.post(NEW, form)
    again = browser.post(NEW, form, follow=True)

    assert ApiKey.objects.count() == 1
    assert not KEY.search(again.text) and "has made its key already" in again.text


def test_the_id_of_somebody_elses_key_makes_none_and_shows_nothing(browser: Client):
    hers, _ = key_of(person("vera"))
    answer = browser.post(NEW, {"creation": str(hers.pk), "label": "Mine"}, follow=True)

    assert answer.status_code == 404 and ApiKey.objects.get().label == "Lamino"


def test_limits_are_stored_as_they_were_written(browser: Client):
    Tier.objects.create(slug="lab", name="Lab machines", billing="free", rank=90)
    TierPolicy.objects.create(name="lab-only")
    send(
        browser,
        NEW,
        label="Lamino",
        usd_per_day="2.5",
        requests_per_minute="60",
        aliases="rainymodel/auto, claude-*,",
        networks="10.0.0.0/8",
        policies=["lab-only"],
        highest_tier="lab",
        expires_at="2099-01-02T03:04",
        direct_calls=None,
    )

    row = ApiKey.objects.get()
    assert (row.usd_per_day, row.requests_per_minute) == (Decimal("2.5"), 60)
    assert (row.aliases, row.networks) == (["rainymodel/auto", "claude-*"], ["10.0.0.0/8"])
    assert (row.policies, row.highest_tier, row.direct_calls) == (["lab-only"], "lab", False)
    assert row.expires_at == datetime(2099, 1, 2, 3, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("label", "", "Give the key a label"),
        ("label", "two\x07bells", "visible characters"),
        ("usd_per_day", "6", "The account allows at most 5."),
        ("requests_per_minute", "61", "The account allows at most 60."),
        ("requests_per_minute", "0", "greater than or equal to 1"),
        ("tokens_per_minute", "many", "whole number"),
        ("networks", "10.0.0.1/8", "write 10.0.0.0/8"),
        ("aliases", "two words", "no spaces"),
        ("highest_tier", "nowhere", "not one of the available choices"),
        ("policies", "nowhere", "not one of the available choices"),
        ("expires_at", "2020-01-01T00:00", "cannot expire in the past"),
        ("expires_at", "soon", "valid date"),
    ],
)
def test_what_is_wrong_is_told_beside_its_field(field: str, value: str, told: str):
    rosa = person("rosa", usd_per_day=Decimal(5), requests_per_minute=60)
    TierPolicy.objects.create(name="lab-only")
    page = send(signed_in(rosa), NEW, **{"label": "Lamino", field: value})

    assert not KEY.search(page.text) and not ApiKey.objects.exists()
    assert told in str(page.context["form"].errors[field])
    beside = re.search(rf'id="id_{field}_error">(.*?)</ul>', page.text, re.DOTALL)
    assert beside and told.split(".")[0] in beside[1]
    assert f"id_{field}_error" in page.text.split(beside[0])[0], "the field names what describes it"
    assert field == "label" or "<details open>" in page.text


def test_what_the_account_allows_is_written_beside_the_field():
    page = signed_in(person("rosa", requests_per_minute=60)).get(NEW).text

    assert "over all its keys: 60." in page and 'max="60"' in page


def test_the_twenty_first_key_is_refused_above_the_form(browser: Client, rosa: User):
    for number in range(20):
        key_of(rosa, f"key {number}")
    page = send(browser, NEW, label="one more")

    alert = re.search(r'<div role="alert">(.*?)</div>', page.text, re.DOTALL)
    assert alert and "There are 20 open keys" in alert[1] and ApiKey.objects.count() == 20


def test_a_change_writes_what_was_edited_and_nothing_else(browser: Client, rosa: User):
    ends = datetime(2099, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    row, _ = key_of(rosa, usd_per_day=Decimal(2), expires_at=ends, store_prompts=True, policies=["gone"])
    page = send(browser, page_of(row), follow=True, label="Evenings", requests_per_minute="9")

    row.refresh_from_db()
    assert (row.label, row.requests_per_minute) == ("Evenings", 9)
    assert (row.usd_per_day, row.expires_at, row.store_prompts, row.policies) == (
        Decimal(2),
        ends,
        True,
        ["gone"],
    )
    assert "Saved." in page.text and "Evenings" in page.text
    changed = AuditEntry.objects.get(action="changed", subject_id=str(row.pk))
    assert (changed.actor, set(changed.changes)) == ("rosa", {"label", "requests_per_minute"})


def test_a_refused_change_leaves_the_key_as_it_was(browser: Client, rosa: User):
    row, _ = key_of(rosa)
    page = send(browser, page_of(row), label="", networks="here")

    row.refresh_from_db()
    assert (row.label, row.networks) == ("Lamino", [])
    assert "<h1>Lamino</h1>" in page.text and "not an address" in page.text


def test_rolling_shows_a_new_key_and_says_when_the_old_one_ends(browser: Client, rosa: User):
    old, text = key_of(rosa, usd_per_day=Decimal(2))
    page = send(browser, page_of(old, "roll/"), keep="24")

    old.refresh_from_db()
    (shown,) = set(KEY.findall(page.text))
    assert shown != text and parse_key(shown) == old.replaced_by.kid
    assert f"ends on {old.expires_at:%d %b %Y}" in page.text and old.replaced_by.usd_per_day == Decimal(2)
    listed = browser.get(LIST).text
    assert "replaced" in listed and "ends in 23" in listed


@pytest.mark.parametrize(("keep", "hours"), [("0", 0), ("1", 1), ("24", 24), ("168", 168)])
def test_the_old_key_ends_as_chosen(browser: Client, rosa: User, keep: str, hours: int):
    old, _ = key_of(rosa)
    send(browser, page_of(old, "roll/"), keep=keep)

    old.refresh_from_db()
    end = old.revoked_at if not hours else old.expires_at
    assert abs(end - timezone.now() - timedelta(hours=hours)) < timedelta(minutes=1)


def test_a_roll_that_is_sent_twice_makes_one_key(browser: Client, rosa: User):
    old, _ = key_of(rosa)
    form = {**fields(browser.get(page_of(old, "roll/"))), "keep": "24"}
    browser.post(page_of(old, "roll/"), form)
    again = browser.post(page_of(old, "roll/"), form, follow=True)

    assert ApiKey.objects.count() == 2 and "has made its key already" in again.text


@pytest.mark.parametrize("keep", ["", "-1", "9999", "x"])
def test_an_overlap_that_is_not_offered_is_refused(browser: Client, rosa: User, keep: str):
    old, _ = key_of(rosa)
    page = send(browser, page_of(old, "roll/"), keep=keep)

    assert page.context["form"].errors["keep"] and ApiKey.objects.count() == 1


def test_a_key_is_revoked_after_a_question(browser: Client, rosa: User):
    row, _ = key_of(rosa)
    question = browser.get(page_of(row, "revoke/"))
    assert "Revoke “Lamino”?" in question.text and ApiKey.objects.get().revoked_at is None
    done = browser.post(page_of(row, "revoke/"), follow=True)

    assert ApiKey.objects.get().state == "revoked"
    assert "is revoked." in done.text and "No key is open" in done.text and "Ended keys (1)" in done.text
    assert "revoked already" in browser.get(page_of(row, "revoke/"), follow=True).text


def test_a_key_that_has_ended_has_nothing_left_to_press(browser: Client, rosa: User):
    row, _ = key_of(rosa)
    browser.post(page_of(row, "revoke/"))
    page = browser.get(page_of(row)).text

    assert "Save" not in page and "roll/" not in page and "revoke/" not in page
    assert "is revoked" in browser.post(page_of(row), {"label": "x", "direct_calls": "on"}).text


def test_a_form_from_elsewhere_is_refused(rosa: User):
    row, _ = key_of(rosa)
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(rosa)

    for address in (NEW, page_of(row), page_of(row, "roll/"), page_of(row, "revoke/")):
        assert careful.post(address, {"label": "x", "keep": "0"}).status_code == 403
    assert ApiKey.objects.get().state == "active"


def test_the_list_tells_what_each_key_used_this_month(browser: Client, rosa: User):
    row, _ = key_of(rosa)
    key_of(rosa, "unused")
    now = datetime.now(UTC)
    for state, cost in (("ok", "1.2345"), ("ok", "0.1"), ("lost", "0")):
        RequestLog.objects.create(
            id=UUID(IdMaker(now.timestamp).new_id()),
            started_at=now,
            key_id=row.pk,
            user_id=str(rosa.pk),
            state=state,
            cost_usd=Decimal(cost),
        )

    page = browser.get(LIST).text
    line = page[page.index(f"{row.kid}") :].split("</tr>")[0]
    assert ">3<" in line and "1 failed" in line and "$1.33" in line
    assert "<svg" in line and "the most: $1.33." in line
    assert page.count("<svg") == 2  # the other one is the mark


def test_a_label_is_text_and_nothing_more(browser: Client, rosa: User):
    row, _ = key_of(rosa, HOSTILE)

    for address in (LIST, page_of(row), page_of(row, "roll/"), page_of(row, "revoke/"), "/usage/"):
        page = browser.get(address).text
        assert "<script>alert" not in page and "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}" in page


def test_an_unknown_key_is_not_found(browser: Client):
    assert browser.get(f"/keys/{uuid4()}/").status_code == 404
    assert browser.get("/keys/nonsense/").status_code == 404


def test_an_operator_finds_keys_that_nobody_has_used_for_long(rosa: User):
    ada, now = signed_in(person("ada", Role.ADMIN)), timezone.now()
    ages = {
        "fresh": (0, None),
        "idle": (200, 100),
        "busy": (200, 1),
        "forgotten": (200, None),
        "shut": (200, 100),
    }
    for label, (made, used) in ages.items():
        row, _ = key_of(rosa, label)
        last = None if used is None else now - timedelta(days=used)
        shut = now if label == "shut" else None
        ApiKey.objects.filter(pk=row.pk).update(
            created_at=now - timedelta(days=made), last_used_at=last, revoked_at=shut
        )

    found = ada.get("/admin/accounts/apikey/?unused=90").context["cl"].result_list
    assert {row.label for row in found} == {"idle", "forgotten"}


def test_the_admin_leads_to_own_keys_and_own_use():
    page = signed_in(person("dan", Role.DEVELOPER)).get("/admin/").text

    assert 'href="/keys/"' in page and 'href="/usage/"' in page


def test_an_operator_rolls_a_key_from_the_admin(rosa: User):
    row, _ = key_of(rosa)
    ada = signed_in(person("ada", Role.ADMIN))

    button = f"/admin/accounts/apikey/{row.pk}/roll"
    assert button in ada.get(f"/admin/accounts/apikey/{row.pk}/change/").text
    assert ada.get(button, follow=True).redirect_chain[-1][0] == page_of(row, "roll/")
