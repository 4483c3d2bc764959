"""The audit holds what happened, refuses to be rewritten, and shows where somebody tried."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import Error, connection, transaction

from accounts.audit import record, verify
from accounts.models import AuditEntry
from accounts.tests.people import person

pytestmark = pytest.mark.django_db


def three_entries() -> list[AuditEntry]:
    return [
        record("ada", "changed", f"row {number}", {"limit": (None, number)}, "192.0.2.1")
        for number in range(3)
    ]


def tamper(statement: str) -> None:
    """What somebody with all rights on the database could do."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE accounts_auditentry DISABLE TRIGGER USER")
        cursor.execute(statement)


def test_each_entry_carries_the_hash_of_the_one_before():
    first, second, third = three_entries()

    assert bytes(first.previous_hash) == bytes(32)
    assert (second.previous_hash, third.previous_hash) == (first.hash, second.hash)
    assert verify() is None


def test_an_entry_keeps_what_it_is_about():
    subject = person("grace", email="grace@example.org")
    record(
        "ada",
        "changed",
        subject,
        {"role": ("viewer", "admin"), "is_active": (True, False)},
        "::ffff:192.0.2.1",
    )

    entry = AuditEntry.objects.latest("id")
    assert (entry.subject_type, entry.subject_id, entry.subject) == (
        "user",
        str(subject.pk),
        "grace@example.org",
    )
    assert entry.changes == {"role": ["viewer", "admin"], "is_active": [True, False]}
    assert (entry.actor, entry.action, entry.address) == ("ada", "changed", "192.0.2.1")


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:DB8::1", "::ffff:10.0.0.1", "unknown", "", None])
def test_the_chain_holds_for_every_spelling_of_an_address(address: str | None):
    record("ada", "changed", "row", {}, address)

    assert verify() is None


@pytest.mark.parametrize(
    "value",
    [
        "a\x00b",
        "\ud83d",
        "é" * 5_000,
        2**80,
        1.5,
        b"\x00",
        ["\x00", "x"],
        {"a": {"b": 1}},
        object,
        "\u202egnp.exe",
        'quote"\\',
    ],
)
def test_hostile_values_are_stored_and_the_chain_holds(value: object):
    record(f"ada{value}", f"changed{value}", f"row{value}", {f"field{value}": (value, None)})

    assert verify() is None


@pytest.mark.parametrize(
    "column",
    [
        "actor",
        "action",
        "subject",
        "subject_id",
        "subject_type",
        "changes",
        "at",
        "address",
        "hash",
        "previous_hash",
    ],
)
def test_a_rewritten_entry_is_found(column: str):
    entries = three_entries()
    other = {"changes": "'{}'", "at": "now() - interval '1 day'", "address": "'192.0.2.9'"}
    value = other.get(column, "'\\x00'" if column.endswith("hash") else "'somebody else'")
    tamper(f"UPDATE accounts_auditentry SET {column} = {value} WHERE id = {entries[1].pk}")

    assert verify() == entries[1].pk


def test_a_removed_entry_is_found_at_its_successor():
    entries = three_entries()
    tamper(f"DELETE FROM accounts_auditentry WHERE id = {entries[1].pk}")

    assert verify() == entries[2].pk


def test_a_removed_beginning_is_found():
    entries = three_entries()
    tamper(f"DELETE FROM accounts_auditentry WHERE id = {entries[0].pk}")

    assert verify() == entries[1].pk


@pytest.mark.parametrize(
    "statement", ["UPDATE accounts_auditentry SET actor = 'eve'", "DELETE FROM accounts_auditentry"]
)
def test_the_database_refuses_to_change_or_remove_entries(statement: str):
    three_entries()
    with pytest.raises(Error, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert AuditEntry.objects.count() == 3


def test_the_database_refuses_to_empty_the_audit():
    """Test databases are exempt by their name, so the same refusal is put on without the exemption."""
    three_entries()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = 'audit_not_emptied'")
        definition = cursor.fetchone()[0]
        assert "BEFORE TRUNCATE" in definition and "accounts_refuse_audit_change" in definition
        cursor.execute(
            "CREATE TRIGGER strict BEFORE TRUNCATE ON accounts_auditentry FOR EACH STATEMENT "
            "EXECUTE FUNCTION accounts_refuse_audit_change()"
        )
    with pytest.raises(Error, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE accounts_auditentry")


def test_the_command_says_that_the_audit_is_whole():
    three_entries()
    said = io.StringIO()
    call_command("audit", "verify", stdout=said)

    assert said.getvalue() == "The audit is whole: 3 entries.\n"


def test_the_command_fails_and_names_the_broken_entry():
    entries = three_entries()
    tamper(f"UPDATE accounts_auditentry SET actor = 'eve' WHERE id = {entries[0].pk}")

    with pytest.raises(CommandError, match=f"breaks at entry {entries[0].pk}"):
        call_command("audit", "verify")
