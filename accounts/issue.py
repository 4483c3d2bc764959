"""Making and revoking API keys; the one place where a key's text meets its row."""

import uuid
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.keys import NewKey, hash_key, make_key
from accounts.models import ApiKey, Role, User

SERVICE_USER = "service"


def issue_key(owner: User, label: str, **limits: Any) -> tuple[ApiKey, NewKey]:
    """Make, check and store a key. Raises ValidationError; the text of the key exists only in what is returned."""
    row = ApiKey(owner=owner, label=label, **limits)
    return row, store(row)


def store(row: ApiKey) -> NewKey:
    """Give a new row its secret, check it and write it. Raises ValidationError."""
    new = give_secret(row)
    row.full_clean()
    row.save(force_insert=True)
    return new


def give_secret(row: ApiKey) -> NewKey:
    """A fresh secret for a row that is about to be stored for the first time."""
    new = make_key()
    row.kid, row.last_four = new.kid, new.last_four
    row.secret_hash = hash_key(new.text, settings.KEY_PEPPER)
    return new


def revoke_keys(ids: list[uuid.UUID]) -> list[ApiKey]:
    """Shut these keys for good; returns those that were still open."""
    with transaction.atomic():
        rows = list(ApiKey.objects.select_for_update().filter(pk__in=ids, revoked_at=None).order_by("pk"))
        for row in rows:
            row.revoked_at = timezone.now()
            row.save(update_fields=["revoked_at"])
    return rows


def service_user() -> User:
    """The user that owns keys of programs rather than of a person."""
    return User.objects.get_or_create(username=SERVICE_USER, defaults={"role": Role.SERVICE})[0]
