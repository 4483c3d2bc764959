"""The directory's questions to Postgres, in plain SQL over the gateway's own pool."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from accounts.caller import CALLING_ROLES, MEGABYTE, Caller, Defaults, read_account, read_networks

# What the database or the way to it may raise; a closed or exhausted pool counts among psycopg's errors.
UNREACHABLE = (psycopg.Error, OSError, TimeoutError)
Limit = TypeVar("Limit", int, Decimal)
Value = TypeVar("Value")

ACCOUNT = """u.requests_per_minute AS account_requests_per_minute, u.tokens_per_minute AS account_tokens_per_minute,
       u.concurrent_requests AS account_concurrent_requests, u.usd_per_day AS account_usd_per_day,
       u.usd_per_month AS account_usd_per_month"""

# The first of the keys that this one replaced, or itself: rolling gives no new limits.
FIRST = """(
    WITH RECURSIVE before (id) AS (
        SELECT k.id UNION SELECT old.id FROM accounts_apikey old JOIN before ON old.replaced_by_id = before.id
    )
    SELECT before.id::text FROM before
    WHERE NOT EXISTS (SELECT FROM accounts_apikey older WHERE older.replaced_by_id = before.id)
    LIMIT 1
) AS limited_as"""
COLUMNS = (
    """k.id::text AS key_id, k.kid, k.label, k.secret_hash, k.revoked_at IS NOT NULL AS revoked,
       extract(epoch FROM k.expires_at)::float8 AS expires_at, k.aliases, k.policies, k.highest_tier, k.direct_calls,
       k.requests_per_minute, k.tokens_per_minute, k.concurrent_requests, k.usd_per_day, k.usd_per_month,
       k.networks, k.store_prompts, k.max_body_mb,
       u.id::text AS owner_id, coalesce(nullif(u.email, ''), u.username) AS owner, u.role, u.is_active,
       u.subject <> '' AS by_sso,
       extract(epoch FROM coalesce(u.last_sign_in, u.date_joined))::float8 AS seen_at, """
    + FIRST
    + ", "
    + ACCOUNT
)
KEYS = "accounts_apikey k JOIN accounts_user u ON u.id = k.owner_id"
FIND = " ".join(("SELECT", COLUMNS, "FROM", KEYS, "WHERE k.kid = %s"))

# Postgres writes the lines itself: making tens of thousands of them here would hold the event loop.
OPEN_KEYS = " ".join((
    "SELECT coalesce(string_agg(",
    "encode(secret_hash, 'hex') || ' ' || (to_jsonb(found) - 'secret_hash')::text, E'\\n'), '')",
    "FROM (SELECT", COLUMNS, "FROM", KEYS,
    "WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())",
    "AND u.is_active AND u.role = ANY(%s)",
    "ORDER BY coalesce(k.last_used_at, k.created_at) DESC LIMIT %s) found",
))  # fmt: skip

# Those that could still be remembered somewhere.
SHUT_KEYS = " ".join((
    "SELECT k.kid FROM", KEYS,
    "WHERE k.revoked_at > now() - interval '2 days' OR NOT u.is_active OR NOT u.role = ANY(%s)",
))  # fmt: skip

FIND_PERSON = (
    """
SELECT u.id::text AS owner_id, coalesce(nullif(u.email, ''), u.username) AS owner, u.role, u.is_active, """
    + ACCOUNT
    + """
FROM accounts_user u WHERE u.issuer = %s AND u.subject = %s AND u.subject <> ''
"""
)

CHANGES = "SELECT coalesce(max(number), 0) FROM accounts_accesschange"

# A row that another worker, or an operator, holds is skipped: it is being written anyway, and waiting could deadlock.
TOUCH = """
UPDATE accounts_apikey SET last_used_at = now() WHERE id IN (
    SELECT id FROM accounts_apikey
    WHERE id = ANY(%s::uuid[]) AND (last_used_at IS NULL OR last_used_at < now() - interval '30 seconds')
    FOR UPDATE SKIP LOCKED
)
"""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as stored, with its owner: the hash to compare with, and the caller it stands for.

    `by_sso` tells whether the owner is known to the sign-in provider, `seen_at` when they last signed in (or joined).
    """

    secret_hash: bytes
    revoked: bool
    caller: Caller
    by_sso: bool
    seen_at: float


async def answer_within(seconds: float, question: Coroutine[Any, Any, Value]) -> Value:
    """The question's answer. Raises what it raises, TimeoutError when it takes too long.

    A question that is given up goes on in the background: psycopg takes seconds more to cancel one at a server that
    does not answer, and no request shall wait for that.
    """
    task = asyncio.ensure_future(question)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    if not done:
        raise TimeoutError
    return task.result()


async def find_row(pool: AsyncConnectionPool, kid: str, defaults: Defaults) -> KeyRow | None:
    """The key with this kid; raises one of UNREACHABLE."""
    async with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(FIND, (kid,))
        row = await cursor.fetchone()
    return None if row is None else read_row(row, defaults)


async def find_person(pool: AsyncConnectionPool, issuer: str, subject: str) -> Mapping[str, Any] | None:
    """The id, name and role of the person with this subject, if they may call; raises one of UNREACHABLE."""
    async with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(FIND_PERSON, (issuer, subject))
        row = await cursor.fetchone()
    return row if row and row["is_active"] and row["role"] in CALLING_ROLES else None


async def read_change_number(pool: AsyncConnectionPool) -> int:
    """The number that grows with every change of keys or users; raises one of UNREACHABLE."""
    async with pool.connection() as connection:
        cursor = await connection.execute(CHANGES)
        row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def read_open_keys(pool: AsyncConnectionPool, most: int) -> str:
    """The keys that may call now as lines `HMAC JSON`, the ones used last if there are more than `most`.

    Raises one of UNREACHABLE.
    """
    async with pool.connection() as connection:
        row = await (await connection.execute(OPEN_KEYS, (sorted(CALLING_ROLES), most))).fetchone()
    return str(row[0]) if row else ""


async def read_shut_keys(pool: AsyncConnectionPool) -> frozenset[str]:
    """The kids of keys that were revoked lately, or whose owners may not call; raises one of UNREACHABLE."""
    async with pool.connection() as connection:
        rows = await (await connection.execute(SHUT_KEYS, (sorted(CALLING_ROLES),))).fetchall()
    return frozenset(row[0] for row in rows)


async def write_last_used(pool: AsyncConnectionPool, key_ids: Iterable[str]) -> None:
    """Note that these keys were used now; raises one of UNREACHABLE."""
    async with pool.connection() as connection:
        await connection.execute(TOUCH, (sorted(key_ids),))


def read_row(row: Mapping[str, Any], defaults: Defaults) -> KeyRow:
    """A key shuts with its owner: an inactive one, or one whose role may not call, counts as revoked."""
    shut = row["revoked"] or not row["is_active"] or row["role"] not in CALLING_ROLES
    caller = read_caller(row, defaults)
    return KeyRow(bytes(row["secret_hash"]), shut, caller, row["by_sso"], row["seen_at"])


def read_caller(row: Mapping[str, Any], defaults: Defaults) -> Caller:
    """The caller of a row; empty lists and texts mean no restriction, missing limits the defaults."""
    return Caller(
        key_id=row["key_id"],
        kid=row["kid"],
        label=row["label"],
        owner_id=row["owner_id"],
        owner=row["owner"],
        role=row["role"],
        source="database",
        aliases=frozenset(row["aliases"]) or None,
        policies=frozenset(row["policies"]) or None,
        highest_tier=row["highest_tier"] or None,
        direct_calls=row["direct_calls"],
        requests_per_minute=own_or(row["requests_per_minute"], defaults.requests_per_minute),
        concurrent_requests=own_or(row["concurrent_requests"], defaults.concurrent_requests),
        tokens_per_minute=own_or(row["tokens_per_minute"], defaults.tokens_per_minute),
        usd_per_day=own_or(row["usd_per_day"], defaults.usd_per_day),
        usd_per_month=own_or(row["usd_per_month"], defaults.usd_per_month),
        networks=read_networks(row["networks"]),
        expires_at=row["expires_at"],
        store_prompts=row["store_prompts"],
        account=read_account(row),
        limited_as=row.get("limited_as") or "",
        max_body_bytes=(row.get("max_body_mb") or 0) * MEGABYTE
        or None,  # a key file may be older than the column
    )


def own_or(own: Limit | None, default: Limit | None) -> Limit | None:
    """The key's own limit, or the default where it states none."""
    return default if own is None else own
