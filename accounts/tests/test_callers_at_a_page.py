"""The caller that a key stands for, found without its text: as strict as the road of the key itself."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.caller import Caller
from accounts.errors import ApiKeyExpired, ApiKeyPaused, ApiKeyRevoked, InvalidApiKey, KeysUnavailable
from accounts.models import ApiKey, User
from accounts.pausing import Pausing
from accounts.tests.lobby import Lobby, lobby
from accounts.tests.people import key_of, person

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = timezone.now() - timedelta(days=40)


@pytest.fixture
def gate() -> Iterator[Lobby]:
    with lobby(pausing=Pausing(days=30, sso=True, address="/signin/")) as opened:
        opened.wall.now = timezone.now().timestamp()
        yield opened


def test_it_is_the_caller_that_the_key_itself_makes(gate: Lobby):
    row, text = key_of(person(), requests_per_minute=7, networks=["10.0.0.0/8"])
    found: Caller = gate.run(gate.directory.of_kid(row.kid))

    assert found == gate.enter(text)


@pytest.mark.parametrize(
    ("of_key", "of_owner", "error"),
    [
        ({"revoked_at": LONG_AGO}, {}, ApiKeyRevoked),
        ({"expires_at": LONG_AGO}, {}, ApiKeyExpired),
        ({}, {"is_active": False}, ApiKeyRevoked),
        ({}, {"date_joined": LONG_AGO}, ApiKeyPaused),
    ],
    ids=["revoked", "expired", "owner-shut-out", "paused"],
)
def test_a_key_that_does_not_work_makes_no_caller(
    gate: Lobby, of_key: dict[str, Any], of_owner: dict[str, Any], error: type[Exception]
):
    row, _ = key_of(person())
    ApiKey.objects.filter(pk=row.pk).update(label="of somebody", **of_key)
    User.objects.filter(pk=row.owner_id).update(first_name="Ada", **of_owner)

    with pytest.raises(error):
        gate.run(gate.directory.of_kid(row.kid))


def test_an_unknown_key_and_a_silent_database_are_told_apart(gate: Lobby):
    with pytest.raises(InvalidApiKey):
        gate.run(gate.directory.of_kid("nobody00"))
    gate.cut_database()
    with pytest.raises(KeysUnavailable):
        gate.run(gate.directory.of_kid("nobody00"))
