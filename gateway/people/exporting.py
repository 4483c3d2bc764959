"""Everything about a person as one JSON document, written piece by piece: a person may have millions of requests."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, BinaryIO
from uuid import UUID

import orjson
from django.forms.models import model_to_dict

from accounts.models import ApiKey, AuditEntry, User
from accounts.own_keys import LIMIT_FIELDS
from gateway.models import RequestLog
from gateway.people.person import Person
from gateway.prompt_models import StoredPrompt
from gateway.prompts.reading import open_prompt

CHUNK = 1000
ACCOUNT = ("id", "username", "email", "first_name", "last_name", "issuer", "subject", "role", "is_active",
           "date_joined", "last_login", "last_sign_in", "requests_per_minute", "tokens_per_minute",
           "concurrent_requests", "usd_per_day", "usd_per_month")  # fmt: skip
KEY = (
    "id",
    "kid",
    "last_four",
    "label",
    "created_at",
    "last_used_at",
    "revoked_at",
    "replaced_by_id",
    "exposed_at",
)
TOKENS = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
Json = dict[str, Any]


class Usage:
    """Sums by day and key, added up while the requests go by."""

    def __init__(self) -> None:
        self._days: dict[tuple[str, str], Json] = defaultdict(self._nothing)

    def add(self, row: Json) -> None:
        """One request."""
        sums = self._days[str(row["started_at"].date()), str(row["key_id"])]
        sums["requests"] += 1
        for name in TOKENS:
            sums[name] += row[name]
        if row["cost_usd"] is not None:
            sums["cost_usd"] += row["cost_usd"]

    def days(self) -> list[Json]:
        """Oldest first."""
        return [{"day": day, "key_id": key, **sums} for (day, key), sums in sorted(self._days.items())]

    @staticmethod
    def _nothing() -> Json:
        return {"requests": 0, **dict.fromkeys(TOKENS, 0), "cost_usd": Decimal(0)}


def export(person: Person, file: BinaryIO) -> None:
    """Write the document: account, keys, requests, usage, prompts, and what the audit has of the person's deeds."""
    usage = Usage()
    write(file, b'{"exported_at":', datetime.now(UTC))
    write(file, b',\n"account":', {name: getattr(person.user, name) for name in ACCOUNT})
    write(file, b',\n"keys":', [key_row(key) for key in ApiKey.objects.filter(owner=person.user)])
    write_list(file, b',\n"requests":', requests_of(person.key_ids, usage))
    write(file, b',\n"usage":', usage.days())
    write_list(file, b',\n"prompts":', prompts_of(person.key_ids))
    write_list(file, b',\n"audit":', deeds_of(person.user))
    file.write(b"}\n")


def key_row(key: ApiKey) -> Json:
    """A key without what could be used in its place."""
    limits = model_to_dict(key, fields=LIMIT_FIELDS)
    return {**{name: getattr(key, name) for name in KEY}, **limits}


def requests_of(key_ids: Iterable[UUID], usage: Usage) -> Iterator[Json]:
    """The rows of the log, key by key, oldest first."""
    for key_id in key_ids:
        rows: Any = RequestLog.objects.filter(key_id=key_id).order_by("id").values()
        for row in rows.iterator(chunk_size=CHUNK):
            usage.add(row)
            yield row


def prompts_of(key_ids: tuple[UUID, ...]) -> Iterator[Json]:
    """What is kept of what was said, opened; null where it does not open here."""
    rows = StoredPrompt.objects.filter(key_id__in=key_ids).order_by("id")
    for row in rows.iterator(chunk_size=10):
        document = open_prompt(row)
        yield {"id": row.pk, "key_id": row.key_id, "stored_at": row.stored_at, "said": document}


def deeds_of(user: User) -> Iterator[Json]:
    """What the audit has as done by this person."""
    fields = ("at", "action", "subject_type", "subject_id", "subject", "changes", "address")
    yield from (
        AuditEntry.objects.filter(actor=user.get_username()).order_by("id").values(*fields).iterator(CHUNK)
    )


def write(file: BinaryIO, name: bytes, value: Any) -> None:
    """One member."""
    file.write(name + orjson.dumps(value, default=str))


def write_list(file: BinaryIO, name: bytes, values: Iterable[Json]) -> None:
    """One member that is a list, however long."""
    file.write(name + b"[")
    for number, value in enumerate(values):
        file.write((b",\n" if number else b"") + orjson.dumps(value, default=str))
    file.write(b"]")
