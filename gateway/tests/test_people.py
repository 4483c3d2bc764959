"""What is stored about a person, handed out in one file, and forgotten."""

import json
import os
import re
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.caller import token_key_id
from accounts.models import ApiKey, AuditEntry, SignInLink, User
from accounts.tests.people import key_of, person, signed_in
from gateway.models import DeadLetter, RequestLog
from gateway.people.forgetting import ROLL_UPS, blank_requests
from gateway.prompt_models import StoredPrompt
from gateway.prompts.document import Document
from gateway.prompts.sealed import seal
from gateway.uuid7 import new_id

pytestmark = pytest.mark.django_db
NAMED = ("rosa", "Rosa", "192.0.2.7", "Lamino", "curl/8", "order-17", "a customer")


@pytest.fixture
def rosa() -> User:
    """A person with a key, requests by it and by access token, a prompt, a session, a link."""
    user = person(
        "rosa@example.org", email="rosa@example.org", first_name="Rosa", issuer="https://sso", subject="rosa"
    )
    key, _ = key_of(user, "Lamino", networks=["192.0.2.0/24"], store_prompts=True)
    for _ in range(3):
        request_of(user, key.pk)
    request_of(user, token_key_id(user.issuer, user.subject))
    id = new_id()
    document = Document("chat", '{"prompt":"rain?"}', "", is_stream=False, prompt_cut=False, answer_cut=False)
    StoredPrompt.objects.create(pk=id, key_id=key.pk, sealed=seal(document.to_json(), id, str(key.pk)))
    DeadLetter.objects.create(pk=new_id(), row=f'{{"key_id":"{key.pk}","user_agent":"curl/8"}}', reason="odd")
    SignInLink.objects.create(token_hash=b"x" * 32, user=user, expires_at=datetime.now(UTC))
    signed_in(user)
    return user


def request_of(user: User, key_id: Any, label: str = "Lamino") -> RequestLog:
    return RequestLog.objects.create(
        pk=new_id(), started_at=datetime.now(UTC), key_id=key_id, key_label=label, user_id=str(user.pk),
        client_address="192.0.2.7", user_agent="curl/8", client_request_id="order-17", end_user="a customer",
        input_tokens=10, cost_usd=Decimal("0.25"), state="ok",
    )  # fmt: skip


def run(*arguments: str) -> str:
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def everything() -> str:
    """All tables that could name a person, as text; the audit is append-only and left out."""
    tables = [name for name in connection.introspection.table_names() if name != "accounts_auditentry"]
    with connection.cursor() as cursor:
        rows = []
        for table in tables:
            cursor.execute(f"SELECT coalesce(json_agg(t), '[]')::text FROM \"{table}\" t")
            rows.append(cursor.fetchone()[0])
    return "\n".join(rows)


def test_without_yes_it_counts_and_changes_nothing(rosa: User):
    before = everything()
    told = run("forget", "--user", "rosa@example.org")

    assert "1 keys, 1 stored prompts, 1 sessions, 1 sign-in links, 4 requests" in told
    assert "Nothing was changed" in told and everything() == before


def test_who_is_forgotten_is_named_nowhere_and_the_money_stays(rosa: User):
    run("forget", "--user", "ROSA@example.org", "--yes")

    text = everything()
    assert not [word for word in NAMED if word in text]
    assert sum(RequestLog.objects.values_list("cost_usd", flat=True)) == Decimal(1)
    assert (StoredPrompt.objects.count(), Session.objects.count(), SignInLink.objects.count()) == (0, 0, 0)
    assert not ApiKey.objects.filter(owner=rosa, revoked_at=None).exists()
    entry = AuditEntry.objects.get(action="forgot a person")
    assert (entry.subject, entry.changes["requests"]) == (f"user {rosa.pk}", [4, 0])


def test_more_rows_than_one_batch_are_all_blanked(rosa: User):
    (key,) = ApiKey.objects.filter(owner=rosa)
    blank_requests(key.pk, "salt", batch=2)

    assert set(RequestLog.objects.filter(key_id=key.pk).values_list("user_id", "end_user")) == {("", "")}


def test_of_others_nothing_is_forgotten(rosa: User):
    other, _ = key_of(person("olga"), "of another")
    kept = request_of(other.owner, other.pk, "of another")
    run("forget", "--user", str(rosa.pk), "--yes")

    assert RequestLog.objects.filter(pk=kept.pk).values().get() == {
        **{field.attname: getattr(kept, field.attname) for field in RequestLog._meta.fields},
        "id": RequestLog.objects.get(pk=kept.pk).pk,
    }
    assert ApiKey.objects.get(pk=other.pk).state == "active"


def test_the_sums_by_key_lose_the_name_and_agree_with_the_log(rosa: User):
    (key,) = ApiKey.objects.filter(owner=rosa)
    request_of(rosa, key.pk, "Lamino, renamed")
    run("forget", "--user", "rosa@example.org", "--yes")

    for table in ROLL_UPS:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT user_id, key_label, cost_nano FROM {table} WHERE key_id = %s", [key.pk])
            told = cursor.fetchall()
        assert sorted(nano for _, _, nano in told) == [250_000_000, 750_000_000]
        assert {user for user, _, _ in told} == {""}
        labels = {label for _, label, _ in told}
        assert labels == set(RequestLog.objects.filter(key_id=key.pk).values_list("key_label", flat=True))
        assert len(labels) == 2 and all(re.fullmatch(r"forgotten [0-9a-f]{8}", label) for label in labels)


def test_forgetting_again_finds_what_came_late_and_changes_nothing_else(rosa: User):
    (key,) = ApiKey.objects.filter(owner=rosa)
    run("forget", "--user", str(rosa.pk), "--yes")
    labels = set(RequestLog.objects.values_list("key_label", flat=True))
    late = request_of(rosa, key.pk)
    run("forget", "--user", str(rosa.pk), "--yes")

    late.refresh_from_db()
    assert (late.user_id, late.client_address) == ("", "") and late.key_label != "Lamino"
    assert labels < set(RequestLog.objects.values_list("key_label", flat=True))


def test_forgetting_again_finds_what_an_access_token_left_late(rosa: User):
    id_of_tokens = token_key_id(rosa.issuer, rosa.subject)
    run("forget", "--user", str(rosa.pk), "--yes")
    late = request_of(rosa, id_of_tokens, "single sign-on")
    run("forget", "--user", str(rosa.pk), "--yes")

    late.refresh_from_db()
    assert (late.user_id, late.client_address, late.end_user) == ("", "", "")


@pytest.mark.parametrize("name", ["nobody", "a service"])
def test_who_is_no_person_here_is_said_so(name: str):
    person("a service", role="service")
    with pytest.raises(CommandError, match=r"Nobody here is called|is a service"):
        run("forget", "--user", name)


def test_the_file_holds_everything_and_no_secret(rosa: User, tmp_path: Path):
    path = tmp_path / "rosa.json"
    run("export", "--user", "rosa@example.org", "--output", str(path))
    told = json.loads(path.read_text())

    assert told["account"]["email"] == "rosa@example.org"
    assert [key["label"] for key in told["keys"]] == ["Lamino"]
    assert "secret" not in path.read_text()
    assert [row["client_address"] for row in told["requests"]] == ["192.0.2.7"] * 4
    assert sum(day["requests"] for day in told["usage"]) == 4
    assert sum(Decimal(day["cost_usd"]) for day in told["usage"]) == 1
    assert told["prompts"][0]["said"]["prompt"] == '{"prompt":"rain?"}'
    assert os.stat(path).st_mode & 0o077 == 0
    assert AuditEntry.objects.filter(action="exported a person", subject="rosa@example.org").exists()


def test_a_file_that_is_there_is_not_written_over(rosa: User, tmp_path: Path):
    path = tmp_path / "rosa.json"
    path.write_text("mine")
    with pytest.raises(CommandError, match="cannot be written"):
        run("export", "--user", "rosa@example.org", "--output", str(path))
    assert path.read_text() == "mine"
