"""Changes of keys and users are told to the workers, by whatever means they are made."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import connection
from django.utils import timezone

from accounts.errors import ApiKeyRevoked
from accounts.issue import revoke_keys
from accounts.models import AccessChange, ApiKey, User
from accounts.tests.lobby import database_address, lobby
from accounts.tests.people import key_of, person

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def listening() -> Iterator[psycopg.Connection]:
    with psycopg.connect(database_address(), autocommit=True) as listener:
        listener.execute("LISTEN rainymodel_access")
        yield listener


def heard(listener: psycopg.Connection, timeout: float = 2.0) -> list[str]:
    return [notice.payload for notice in listener.notifies(timeout=timeout, stop_after=1)]


def number() -> int:
    return AccessChange.objects.get().number


def test_a_revoked_key_is_refused_as_soon_as_the_notice_arrives():
    row, text = key_of(person())
    with listening() as listener, lobby() as gate:
        gate.poll()
        gate.enter(text)
        revoke_keys([row.pk])
        gate.run(gate.directory.refresh(heard(listener)[0]))
        with pytest.raises(ApiKeyRevoked):
            gate.enter(text)


def test_the_notice_carries_the_number_that_a_poll_reads():
    with listening() as listener:
        person()
        assert heard(listener) == [str(number())]


def test_every_kind_of_change_counts_once():
    owner = person()
    row, _ = key_of(owner)
    before = number()

    ApiKey.objects.filter(pk=row.pk).update(requests_per_minute=5)
    User.objects.filter(pk=owner.pk).update(role="developer")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_apikey SET expires_at = now()")
    ApiKey.objects.all().delete()
    assert number() == before + 4


def test_another_limit_for_bodies_is_told():
    row, _ = key_of(person())
    with listening() as listener:
        before = number()
        ApiKey.objects.filter(pk=row.pk).update(max_body_mb=20)
        assert (number(), heard(listener)) == (before + 1, [str(before + 1)])


def test_use_is_no_change():
    row, _ = key_of(person())
    with listening() as listener:
        before = number()
        ApiKey.objects.filter(pk=row.pk).update(last_used_at=timezone.now())
        User.objects.update(last_login=timezone.now(), last_sign_in=timezone.now())
        assert (number(), heard(listener, timeout=0.2)) == (before, [])


def test_a_database_without_the_row_counts_from_one():
    AccessChange.objects.all().delete()
    person()
    assert number() == 1
