"""Forgetting a person: what they said goes, what names them is blanked, what was spent stays.

In this order, so that it can be broken off at any time and run again: nothing new may come, then what there is goes,
and only at the end the names by which it was found.
"""

from secrets import token_hex
from typing import Any
from uuid import UUID

from django.contrib.admin.models import LogEntry as AdminEntry
from django.db import connection, transaction
from django.utils import timezone

from accounts.actor import current_actor
from accounts.audit import record
from accounts.models import ApiKey, SignInLink, User
from gateway.models import RequestLog
from gateway.people.person import Person, sessions_of
from gateway.prompt_models import StoredPrompt

BATCH = 1000
FIRST = UUID(int=0)
FORGOTTEN = "forgotten"
# What stands for a label: the same in log and sums, as a sum's row is known by its label, and told by nobody. The
# salt is of one run and kept nowhere.
LABEL = """CASE WHEN key_label = '' OR key_label ~ '^forgotten [0-9a-f]{8}$' THEN key_label
    ELSE 'forgotten ' || left(md5(%s || key_label), 8) END"""
BLANK = """
WITH next AS (SELECT id FROM gateway_requestlog WHERE key_id = %s AND id > %s ORDER BY id LIMIT %s)
UPDATE gateway_requestlog AS log
SET user_id = '', end_user = '', client_address = '', user_agent = '', client_request_id = '', key_label = {label}
FROM next WHERE log.id = next.id RETURNING log.id
""".replace("{label}", LABEL)
REFUSED = "DELETE FROM gateway_deadletter WHERE strpos(row, %s) > 0"
ROLL_UPS = ("gateway_traffic_key_hour", "gateway_traffic_key_day")
SUMS = "UPDATE {table} SET user_id = '', key_label = {label} WHERE key_id = ANY(%s)".replace("{label}", LABEL)


def counts_of(person: Person) -> dict[str, int]:
    """How much there is to forget, by what it is."""
    user = person.user
    return {
        "keys": ApiKey.objects.filter(owner=user).count(),
        "stored prompts": prompts_of(person).count(),
        "sessions": sum(1 for _ in sessions_of(user)),
        "sign-in links": SignInLink.objects.filter(user=user).count(),
        "requests": RequestLog.objects.filter(key_id__in=person.key_ids).count(),
    }


def forget(person: Person, counts: dict[str, int]) -> None:
    """Forget the person. `counts` go into the audit; a second run finds what was under way during the first."""
    close(person, counts)
    for batch in iter(lambda: list(prompts_of(person).values_list("pk", flat=True)[:BATCH]), []):
        StoredPrompt.objects.filter(pk__in=batch).delete()
    salt = token_hex()
    for key_id in person.key_ids:
        blank_requests(key_id, salt)
    for table in ROLL_UPS:
        run(SUMS.replace("{table}", table), [salt, list(person.key_ids)])
    forget_names(person.user)


def prompts_of(person: Person) -> Any:
    """The stored prompts of the person's keys."""
    return StoredPrompt.objects.filter(key_id__in=person.key_ids)


@transaction.atomic
def close(person: Person, counts: dict[str, int]) -> None:
    """Nobody signs in or calls as this person any more. Written past the signals: they would put names on record."""
    User.objects.filter(pk=person.user.pk).update(is_active=False)
    open_keys = ApiKey.objects.filter(owner=person.user, revoked_at=None)
    open_keys.update(revoked_at=timezone.now())
    for session in sessions_of(person.user):
        session.delete()
    SignInLink.objects.filter(user=person.user).delete()
    actor = current_actor()
    told = {name: (count, 0) for name, count in counts.items()}
    record(actor.name, "forgot a person", f"user {person.user.pk}", told, actor.address)


def blank_requests(key_id: UUID, salt: str, batch: int = BATCH) -> None:
    """Blank what names somebody in the log's rows of a key, a batch in a transaction; figures and costs stay."""
    last: UUID | None = FIRST
    while last is not None:
        blanked = run(BLANK, [key_id, last, batch, salt])
        last = max((id for (id,) in blanked), default=None)
    run(REFUSED, [str(key_id)])


@transaction.atomic
def forget_names(user: User) -> None:
    """The account and its keys stay as numbers, which the ledger and the log refer to."""
    ApiKey.objects.filter(owner=user).update(label=FORGOTTEN, networks=[], store_prompts=False)
    AdminEntry.objects.filter(user=user).delete()
    AdminEntry.objects.filter(content_type__model="user", object_id=str(user.pk)).delete()
    User.objects.filter(pk=user.pk).update(
        username=f"{FORGOTTEN}-{user.pk}",
        email="", first_name="", last_name="", issuer="", subject="", last_login=None, last_sign_in=None,
    )  # fmt: skip


def run(statement: str, values: list[Any]) -> list[tuple[Any, ...]]:
    """What a statement returns, in a transaction of its own."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall() if cursor.description else []
