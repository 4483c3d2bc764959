"""Who is calling, as the gateway needs to know it; plain values, no Django."""

import ipaddress
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from accounts.keys import hash_key

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
CALLING_ROLES = frozenset({"admin", "developer", "researcher", "service"})
# What a CIDR that cannot be read becomes: the key then works from nowhere instead of from everywhere.
NOWHERE = ipaddress.ip_network("255.255.255.255/32")


MEGABYTE = 1024 * 1024
MOST_BODY_MB = 50  # what a key may be given for the body of one request


@dataclass(frozen=True, slots=True)
class Allowed:
    """How much may be used: requests and tokens per minute, requests at once, US dollars. None is no limit."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_requests: int | None = None
    usd_per_day: Decimal | None = None
    usd_per_month: Decimal | None = None


NO_LIMITS = Allowed()


@dataclass(frozen=True, slots=True)
class Caller:
    """One accepted key and what it may do. None and () mean no restriction; `expires_at` is seconds since 1970.

    `source` is `database`, `environment` or `sso` (an access token). `operator` marks RAINYMODEL_MASTER_KEY.
    `limited_as` is the id of the first of the keys that this one replaced: rolling gives no new limits.
    `max_body_bytes` is the key's own limit for one request's body; None is the gateway's.
    """

    key_id: str
    kid: str
    label: str
    owner_id: str | None
    owner: str
    role: str
    source: str
    aliases: frozenset[str] | None = None
    policies: frozenset[str] | None = None
    highest_tier: str | None = None
    direct_calls: bool = True
    requests_per_minute: int | None = None
    concurrent_requests: int | None = None
    tokens_per_minute: int | None = None
    usd_per_day: Decimal | None = None
    usd_per_month: Decimal | None = None
    networks: tuple[Network, ...] = ()
    expires_at: float | None = None
    store_prompts: bool = False
    operator: bool = False
    account: Allowed = NO_LIMITS
    limited_as: str = ""
    max_body_bytes: int | None = None

    @property
    def allowed(self) -> Allowed:
        """The key's own limits; `account` holds its owner's, over all keys."""
        return Allowed(
            self.requests_per_minute,
            self.tokens_per_minute,
            self.concurrent_requests,
            self.usd_per_day,
            self.usd_per_month,
        )

    @property
    def spends_money(self) -> bool:
        """Whether a limit in money is set on the key or its owner."""
        held = (self.usd_per_day, self.usd_per_month, self.account.usd_per_day, self.account.usd_per_month)
        return any(amount is not None for amount in held)

    def may_call_from(self, address: str) -> bool:
        """Whether the key may be used from this client address; an address that cannot be read matches no network."""
        if not self.networks:
            return True
        try:
            client = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = getattr(client, "ipv4_mapped", None)
        return any((mapped or client) in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class Defaults:
    """The limits of a key that states none of its own."""

    requests_per_minute: int | None = None
    concurrent_requests: int | None = None
    tokens_per_minute: int | None = None
    usd_per_day: Decimal | None = None
    usd_per_month: Decimal | None = None


@dataclass(frozen=True, slots=True)
class EnvironmentKey:
    """A key given by the environment: a free string, named after its variable."""

    name: str
    kid: str
    credential: str = field(repr=False)
    operator: bool = False


def environment_keys(master: str, others: Sequence[str], litellm: str = "") -> tuple[EnvironmentKey, ...]:
    """RAINYMODEL_MASTER_KEY, RAINYMODEL_API_KEYS and LITELLM_MASTER_KEY as keys; empty strings are left out."""
    keys = [EnvironmentKey("RAINYMODEL_MASTER_KEY", "master", master, operator=True)] if master else []
    keys += [EnvironmentKey("LITELLM_MASTER_KEY", "litellm", litellm)] if litellm else []
    for number, credential in enumerate(filter(None, others), start=1):
        keys.append(EnvironmentKey(f"RAINYMODEL_API_KEYS #{number}", f"env-{number}", credential))
    return tuple(keys)


def callers_of(keys: Sequence[EnvironmentKey], pepper: str, defaults: Defaults) -> dict[bytes, Caller]:
    """The environment's callers by the hash of their key; of equal keys the first one counts."""
    callers: dict[bytes, Caller] = {}
    for key in keys:
        hashed = hash_key(key.credential, pepper)
        callers.setdefault(hashed, environment_caller(key, hashed, defaults))
    return callers


def environment_caller(key: EnvironmentKey, hashed: bytes, defaults: Defaults) -> Caller:
    """A service with the limits of the settings. Its id comes from the hash, so it survives a restart."""
    return Caller(
        key_id=str(uuid.UUID(bytes=hashed[:16], version=5)),
        kid=key.kid,
        label=key.name,
        owner_id=None,
        owner="environment",
        role="admin" if key.operator else "service",
        source="environment",
        requests_per_minute=defaults.requests_per_minute,
        concurrent_requests=defaults.concurrent_requests,
        tokens_per_minute=defaults.tokens_per_minute,
        usd_per_day=defaults.usd_per_day,
        usd_per_month=defaults.usd_per_month,
        operator=key.operator,
    )


def token_key_id(issuer: str, subject: str) -> uuid.UUID:
    """What stands for a key in the rows of calls made with a person's access tokens."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{issuer}#{subject}")


def token_caller(
    issuer: str, subject: str, expires_at: float, person: Mapping[str, Any], defaults: Defaults
) -> Caller:
    """A person who calls with an access token: the same caller with each new token, with the limits of the settings.

    `person` holds owner_id, owner, role and the account's limits.
    """
    return Caller(
        key_id=str(token_key_id(issuer, subject)),
        kid="sso",
        label="single sign-on",
        owner_id=person["owner_id"],
        owner=person["owner"],
        role=person["role"],
        source="sso",
        requests_per_minute=defaults.requests_per_minute,
        concurrent_requests=defaults.concurrent_requests,
        tokens_per_minute=defaults.tokens_per_minute,
        usd_per_day=defaults.usd_per_day,
        usd_per_month=defaults.usd_per_month,
        expires_at=expires_at,
        account=read_account(person),
    )


def read_account(row: Mapping[str, Any]) -> Allowed:
    """The limits of an account, from a row whose columns begin with `account_`."""
    return Allowed(
        row["account_requests_per_minute"],
        row["account_tokens_per_minute"],
        row["account_concurrent_requests"],
        row["account_usd_per_day"],
        row["account_usd_per_month"],
    )


def read_networks(texts: Sequence[str]) -> tuple[Network, ...]:
    """CIDR texts as networks; one that cannot be read allows nothing."""
    return tuple(read_network(text) for text in texts)


def read_network(text: str) -> Network:
    """One CIDR text as a network, NOWHERE when it cannot be read."""
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return NOWHERE
