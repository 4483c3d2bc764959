"""A key that was rolled is limited together with the ones it replaced."""

from decimal import Decimal

import pytest
from psycopg_pool import AsyncConnectionPool

from accounts import own_keys
from accounts.actor import Actor
from accounts.caller import Defaults
from accounts.key_rows import find_row
from accounts.limits import rules_of
from accounts.models import ApiKey
from accounts.tests.people import key_of, person
from accounts.tests.test_ledger import conninfo

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def rolled_twice() -> list[ApiKey]:
    """A key and the two that replaced it, one after the other."""
    keys = [key_of(person("rosa"), usd_per_day=Decimal(1))[0]]
    for _ in range(2):
        keys.append(own_keys.roll(keys[-1], Actor("rosa"))[0])
    return keys


@pytest.fixture
def alone() -> ApiKey:
    return key_of(person("dan"), usd_per_day=Decimal(1))[0]


async def test_rolling_gives_no_new_budget(rolled_twice: list[ApiKey], alone: ApiKey):
    async with AsyncConnectionPool(conninfo(), open=False) as pool:
        found = [await find_row(pool, key.kid, Defaults()) for key in (*rolled_twice, alone)]

    names = [rules_of(row.caller).money[0].name for row in found if row]
    assert names == [f"key:{rolled_twice[0].pk}:day"] * 3 + [f"key:{alone.pk}:day"]
