"""What a person does with API keys, on a page or through the API: make, change, roll, revoke.

Every function checks what it is given, writes under a lock, and is audited as done by `actor`. What is refused is a
Django ValidationError with field → sentence. Whose keys somebody may touch is decided before: see `keys_for`.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.actor import Actor, acting
from accounts.issue import revoke_keys, store
from accounts.keys import NewKey
from accounts.models import ApiKey, Role, User

LIST_FIELDS = ("aliases", "policies", "networks")
AMOUNT_FIELDS = (
    "requests_per_minute",
    "tokens_per_minute",
    "concurrent_requests",
    "usd_per_day",
    "usd_per_month",
)
LIMIT_FIELDS = (
    "aliases",
    "policies",
    "highest_tier",
    "direct_calls",
    *AMOUNT_FIELDS,
    "networks",
    "expires_at",
    "max_body_mb",
    "store_prompts",
)
CHANGEABLE = frozenset({"label", *LIMIT_FIELDS})
MOST_OPEN_KEYS = 20
MOST_A_MINUTE, A_MINUTE = 20, timedelta(minutes=1)  # made or rolled; revoking is never refused
MOST_WORDS = 100  # in one list of a key
LONGEST_OVERLAP = timedelta(days=7)
NO_OVERLAP = timedelta(0)


class AlreadyMade(ValidationError):
    """The same form was sent twice: its key, with the id `made`, is there already, and its text was shown then."""

    def __init__(self, made: uuid.UUID) -> None:
        super().__init__({NON_FIELD_ERRORS: ["This key has been made already; a key is shown once."]})
        self.made = made


class TooOften(ValidationError):
    """Somebody has made as many keys within a minute as there may be."""

    def __init__(self) -> None:
        super().__init__(
            {
                NON_FIELD_ERRORS: [
                    f"{MOST_A_MINUTE} keys were made within a minute. Wait a minute, then try again."
                ]
            }
        )


def keys_for(user: User) -> QuerySet[ApiKey]:
    """The keys somebody may see and change: an operator those of everyone, others their own."""
    keys = ApiKey.objects.select_related("owner", "replaced_by")
    return keys if user.role == Role.ADMIN else keys.filter(owner=user)


def at_most(owner: User) -> dict[str, int | Decimal]:
    """The limits of the account, by field; a field that is not in it is free. No key may be given more."""
    amounts = {name: getattr(owner, name) for name in AMOUNT_FIELDS}
    return {name: amount for name, amount in amounts.items() if amount is not None}


def create(
    owner: User, actor: Actor, label: str, *, id: uuid.UUID | None = None, **limits: Any
) -> tuple[ApiKey, NewKey]:
    """A new key and its text, which exists only here. With the same `id` again: AlreadyMade. Raises ValidationError."""
    with acting(lambda: actor), transaction.atomic():
        held = lock_owner(owner)
        refuse_again(id)
        refuse_too_many(held)
        refuse_too_often(held)
        row = ApiKey(owner=held, id=id or uuid.uuid4())
        fill(row, {"label": label, **limits})
        return row, store(row)


def change(key: ApiKey, actor: Actor, **fields: Any) -> ApiKey:
    """The key with another label or other limits; what is not named stays. Raises ValidationError."""
    with acting(lambda: actor), transaction.atomic():
        owner, row = lock_owner(key.owner), lock(key)
        if row.replaced_by_id is not None:
            raise refusal("This key was replaced and is about to end; change the one that replaced it.")
        was_expired = row.state == "expired"
        fill(row, fields)
        if was_expired and row.state != "expired":
            refuse_too_many(owner)
        row.full_clean(exclude={column.name for column in row._meta.fields} - set(fields))
        row.save(update_fields=list(fields))
        return row


def roll(
    key: ApiKey, actor: Actor, keep: timedelta = NO_OVERLAP, *, id: uuid.UUID | None = None
) -> tuple[ApiKey, NewKey]:
    """A new key with the same label and limits; the old one ends after `keep`, or at once. Raises ValidationError."""
    if not NO_OVERLAP <= keep <= LONGEST_OVERLAP:
        raise ValidationError({"keep": "The old key may go on for at most 7 days."})
    with acting(lambda: actor), transaction.atomic():
        owner = lock_owner(key.owner)
        refuse_again(id)
        old = lock(key)
        refuse_to_roll(old)
        refuse_too_often(owner)
        new = ApiKey(owner=owner, id=id or uuid.uuid4(), label=old.label)
        for name in LIMIT_FIELDS:
            setattr(new, name, getattr(old, name))
        made = store(new)
        end(old, new, keep)
        return new, made


def revoke(key: ApiKey, actor: Actor) -> ApiKey:
    """The key, shut for good; one that was shut before stays as it is."""
    with acting(lambda: actor):
        revoke_keys([key.pk])
    return ApiKey.objects.get(pk=key.pk)


def open_keys(owner: User) -> QuerySet[ApiKey]:
    """The owner's keys that are neither revoked nor expired."""
    is_past = Q(expires_at__lte=timezone.now())
    return ApiKey.objects.filter(~is_past | Q(expires_at=None), owner=owner, revoked_at=None)


def lock_owner(owner: User) -> User:
    """The owner as stored; whoever else makes keys for them waits until this is done."""
    return User.objects.select_for_update().get(pk=owner.pk)


def lock(key: ApiKey) -> ApiKey:
    """The key as stored, for this transaction alone. Raises ValidationError when it is revoked."""
    row = ApiKey.objects.select_for_update().get(pk=key.pk)
    if row.revoked_at is not None:
        raise refusal("This key is revoked, which is for good; make a new one.")
    return row


def refuse_too_many(owner: User) -> None:
    """Raises ValidationError when this person has as many open keys as there may be."""
    if owner.role != Role.SERVICE and open_keys(owner).filter(replaced_by=None).count() >= MOST_OPEN_KEYS:
        raise refusal(
            f"There are {MOST_OPEN_KEYS} open keys, which is the most; revoke one that is not needed."
        )


def refuse_too_often(owner: User) -> None:
    """Raises TooOften for a person's next key within a minute; programs may have as many as their operator makes."""
    lately = ApiKey.objects.filter(owner=owner, created_at__gt=timezone.now() - A_MINUTE)
    if owner.role != Role.SERVICE and lately.count() >= MOST_A_MINUTE:
        raise TooOften


def refuse_again(id: uuid.UUID | None) -> None:
    """Raises AlreadyMade when the key with this id is there."""
    if id is not None and ApiKey.objects.filter(pk=id).exists():
        raise AlreadyMade(id)


def refuse_to_roll(old: ApiKey) -> None:
    """Raises ValidationError for a key that has ended, was rolled before, or whose predecessor still works."""
    if old.expires_at is not None and old.expires_at <= timezone.now():
        raise refusal("This key has expired; make a new one.")
    if old.replaced_by_id is not None:
        raise refusal("This key was rolled already; roll the one that replaced it.")
    if open_keys(old.owner).filter(replaced_by=old).exists():
        raise refusal("The key before this one still works; wait for its end, or revoke it first.")


def fill(row: ApiKey, fields: Mapping[str, Any]) -> None:
    """Set the fields. Raises ValidationError for what a key of this owner may not be given."""
    if unknown := sorted(set(fields) - CHANGEABLE):
        raise ValidationError(dict.fromkeys(unknown, "A key has no such field that can be set."))
    problems: dict[str, str] = {}
    for name, value in fields.items():
        before = None if row._state.adding else getattr(row, name)
        if told := problem_with(name, value, before, at_most(row.owner)):
            problems[name] = told
        setattr(row, name, value)
    if problems:
        raise ValidationError(problems)


def problem_with(name: str, value: Any, before: Any, most: Mapping[str, int | Decimal]) -> str:
    """Why a value does not do, as far as the column's own checks do not tell; empty when it does."""
    if name in LIST_FIELDS:
        return problem_with_list(value)
    if name in AMOUNT_FIELDS:
        return problem_with_amount(value, most.get(name))
    if name == "expires_at" and value is not None and value != before:
        if not isinstance(value, datetime) or timezone.is_naive(value):
            return "Give a date and time with its time zone."
        if value <= timezone.now():
            return "A key cannot expire in the past; to shut it now, revoke it."
    return ""


def problem_with_list(value: Any) -> str:
    """A list of texts, and not too many."""
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        return "Give a list of texts."
    return f"At most {MOST_WORDS} entries." if len(value) > MOST_WORDS else ""


def problem_with_amount(value: Any, most: int | Decimal | None) -> str:
    """A number no larger than the account's; none is the default, below which the account's own still holds."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
        return "Give a number."
    if isinstance(value, Decimal) and not value.is_finite():
        return "Give a number."
    return f"The account allows at most {plain(most)}." if most is not None and value > most else ""


def plain(amount: int | Decimal) -> str:
    """A number without zeros that say nothing."""
    return f"{amount.normalize():f}" if isinstance(amount, Decimal) else str(amount)


def end(old: ApiKey, new: ApiKey, keep: timedelta) -> None:
    """The old key names its successor, and ends: now, or after `keep` if it would not end sooner."""
    now = timezone.now()
    old.replaced_by = new
    if keep:
        old.expires_at = min(old.expires_at or now + keep, now + keep)
    else:
        old.revoked_at = now
    old.save(update_fields=["replaced_by", "expires_at", "revoked_at"])


def refusal(told: str) -> ValidationError:
    """What is wrong with no field in particular."""
    return ValidationError({NON_FIELD_ERRORS: [told]})
