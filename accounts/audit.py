"""The record of who changed what: append-only rows, each carrying the hash of the one before.

Whoever removes or rewrites a row breaks the chain from there on, and `verify` names the place. (Rows cut off at the
end leave a shorter chain that still holds; only a copy kept elsewhere shows those.)
"""

import ipaddress
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from accounts.models import AuditEntry
from accounts.text import storable

CHAIN_LOCK = 7_245_311_874  # any number, as long as nothing else in this database uses it
FIRST = bytes(32)
LONGEST_VALUE = 500

Changes = Mapping[str, tuple[Any, Any]]


def record(
    actor: str,
    action: str,
    subject: models.Model | str,
    changes: Changes | None = None,
    address: str | None = None,
) -> AuditEntry:
    """Append one entry to the chain, in the caller's transaction if there is one.

    `subject` is the row it is about, or a text. `changes` maps field → (before, after), without secrets.
    """
    entry = AuditEntry(
        at=timezone.now(),
        actor=storable(actor, 255),
        action=storable(action, 40),
        changes={
            storable(name, 80): [plain(before), plain(after)]
            for name, (before, after) in (changes or {}).items()
        },
        address=plain_address(address),
        **describe(subject),
    )
    with transaction.atomic():
        lock_chain()
        entry.previous_hash = last_hash()
        entry.hash = hash_entry(entry)
        entry.save(force_insert=True)
    return entry


def verify() -> int | None:
    """The id of the first entry whose content or predecessor is not what was recorded; None when the chain holds."""
    previous = FIRST
    for entry in AuditEntry.objects.order_by("id").iterator(chunk_size=1_000):
        if bytes(entry.previous_hash) != previous or bytes(entry.hash) != hash_entry(entry):
            return entry.pk
        previous = bytes(entry.hash)
    return None


def hash_entry(entry: AuditEntry) -> bytes:
    """SHA-256 over the previous hash and the row's canonical JSON."""
    row = {
        "at": entry.at.isoformat(timespec="microseconds"),
        "actor": entry.actor,
        "action": entry.action,
        "subject_type": entry.subject_type,
        "subject_id": entry.subject_id,
        "subject": entry.subject,
        "changes": entry.changes,
        "address": plain_address(entry.address),
    }
    text = json.dumps(row, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(bytes(entry.previous_hash) + text.encode()).digest()


def lock_chain() -> None:
    """Until the transaction ends, nobody else appends: the order of ids is the order of the chain."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CHAIN_LOCK])


def last_hash() -> bytes:
    """The hash the next entry builds on."""
    found = AuditEntry.objects.order_by("-id").values_list("hash", flat=True).first()
    return FIRST if found is None else bytes(found)


def describe(subject: models.Model | str) -> dict[str, str]:
    """What the entry is about, kept as text: the row itself may be gone tomorrow."""
    if isinstance(subject, str):
        return {"subject_type": "", "subject_id": "", "subject": storable(subject, 255)}
    return {
        "subject_type": storable(str(subject._meta.verbose_name), 60),
        "subject_id": storable(str(subject.pk), 120),
        "subject": storable(str(subject), 255),
    }


def plain(value: Any) -> Any:
    """A value as JSON holds it exactly: None, true, false, a whole number, a text, or a list of texts."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**53:
        return value
    if isinstance(value, (list, tuple)):
        return [storable(str(item), LONGEST_VALUE) for item in value[:100]]
    return storable(str(value), LONGEST_VALUE)


def plain_address(address: str | None) -> str | None:
    """An address in its one canonical form; what is none is left out."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return None
    return str(getattr(found, "ipv4_mapped", None) or found)
