"""Makes an empty database ready for a live gateway: `python -m gateway.tests.prepare CATALOGUE_JSON` prints the keys.

Runs as a process of its own, so that the gateway's database is not the one that pytest empties between tests.
"""

import json
import sys
from contextlib import suppress
from typing import Any

import django
import psycopg
from psycopg.conninfo import make_conninfo

MIGRATED = "migrated"  # the database with all tables and no rows, once there is one
ELSEWHERE = (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation, psycopg.errors.ObjectInUse)


def main(catalogue: dict[str, Any]) -> dict[str, str]:
    """Migrate, load, publish, make a key."""
    django.setup()
    from django.core.management import call_command

    from accounts.models import ApiKey, User
    from rainymodel_site.audit import quiet
    from routing.loader import load_rows
    from routing.publish import publish

    call_command("migrate", verbosity=0)
    keep_copy()
    with quiet("a test's catalogue"):  # an entry for each of hundreds of rows takes longer than all the rest
        load_rows(catalogue, overwrite=True)
    publish("tests")
    owner = User.objects.create(username="tester", role="developer")
    account = User.objects.create(username="account", role="developer", requests_per_minute=2, usd_per_day=1)
    return {
        "plain": make(ApiKey, owner, "plain", requests_per_minute=1_000_000, concurrent_requests=1000),
        "two_a_minute": make(ApiKey, owner, "two a minute", requests_per_minute=2),
        "another_two_a_minute": make(ApiKey, owner, "another two a minute", requests_per_minute=2),
        "one_at_once": make(ApiKey, owner, "one at once", concurrent_requests=1),
        "free_only": make(ApiKey, owner, "free only", highest_tier="free"),
        "dollar": make(
            ApiKey, owner, "dollar", usd_per_day=1, requests_per_minute=1_000_000, concurrent_requests=1000
        ),
        "monthly_cent": make(ApiKey, owner, "monthly cent", usd_per_month="0.01"),
        "thousand_tokens": make(ApiKey, owner, "thousand tokens", tokens_per_minute=1000),
        "six_hundred": make(ApiKey, owner, "six hundred", requests_per_minute=600, concurrent_requests=1000),
        "of_account": make(ApiKey, account, "one of an account"),
        "of_account_too": make(ApiKey, account, "another of an account"),
        "large_bodies": make(ApiKey, owner, "large bodies", max_body_mb=12),
        "small_bodies": make(ApiKey, owner, "small bodies", max_body_mb=1),
        "consenting": make(ApiKey, owner, "consenting", store_prompts=True, requests_per_minute=1_000_000),
        "chosen_aliases": make(ApiKey, owner, "chosen aliases", aliases=["fake/*"]),
    }


def keep_copy() -> None:
    """Leave a copy of the tables without rows, from which `fresh_database` makes later ones in less time."""
    from django.conf import settings
    from django.db import connection

    connection.close()
    connection.close_pool()
    own = str(connection.settings_dict["NAME"])
    server = make_conninfo(settings.DATABASE_DSN, dbname="postgres")
    with (
        suppress(*ELSEWHERE),  # another process is at it, or has done it
        psycopg.connect(server, autocommit=True) as admin,
    ):
        admin.execute(f'CREATE DATABASE {MIGRATED} TEMPLATE "{own}"')


def make(model: Any, owner: Any, label: str, **fields: Any) -> str:
    """One API key's text."""
    from django.conf import settings

    from accounts.keys import hash_key, make_key

    new = make_key()
    model.objects.create(
        kid=new.kid,
        secret_hash=hash_key(new.text, settings.KEY_PEPPER),
        last_four=new.last_four,
        owner=owner,
        label=label,
        **fields,
    )
    return new.text


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
