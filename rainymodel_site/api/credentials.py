"""From an API key or an access token to its caller, read from the database: nothing is remembered between requests.

The gateway's directory does the same from memory; the rules are its own.
"""

import threading
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts.caller import Caller, Defaults, callers_of, environment_keys, read_networks
from accounts.errors import AccessTokenRefused, ApiKeyExpired, ApiKeyPaused, ApiKeyRevoked, InvalidApiKey
from accounts.keys import hash_key, parse_key, same_hash
from accounts.models import ApiKey, Role, User
from accounts.oidc.bearer import AccessTokens, looks_like_token
from accounts.oidc.calls import wait_for
from accounts.oidc.provider import Provider, provider
from accounts.site import pausing
from rainymodel_site import env

USED_EVERY = timedelta(seconds=30)  # how exactly a key's last use is noted
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, slots=True)
class Known:
    """Whom a credential speaks for. `user` is not stored for keys of the environment; `key` is the stored key."""

    caller: Caller
    user: User
    key: ApiKey | None = None


def find(credential: str) -> Known:
    """Raises accounts.errors.KeyRefused, and KeysUnavailable while an access token cannot be judged."""
    hashed = hash_key(credential, settings.KEY_PEPPER)
    if known := of_environment(hashed):
        return known
    if kid := parse_key(credential):
        return of_database(kid, hashed)
    if settings.OIDC_API_AUDIENCES and settings.OIDC_ISSUER and looks_like_token(credential):
        return of_token(credential)
    raise InvalidApiKey


def of_environment(hashed: bytes) -> Known | None:
    """One of the environment's keys, as a user that is stored nowhere."""
    keys = environment_keys(
        env.text("RAINYMODEL_MASTER_KEY"), env.items("RAINYMODEL_API_KEYS"), env.text("LITELLM_MASTER_KEY")
    )
    caller = callers_of(keys, settings.KEY_PEPPER, Defaults()).get(hashed)
    return None if caller is None else Known(caller, User(username=caller.label, role=Role(caller.role)))


def of_database(kid: str, hashed: bytes) -> Known:
    """A stored key that works now. Raises KeyRefused."""
    key = ApiKey.objects.select_related("owner", "replaced_by").filter(kid=kid).first()
    if key is None or not same_hash(bytes(key.secret_hash), hashed):
        raise InvalidApiKey
    if key.revoked_at is not None or not key.owner.may_call:
        raise ApiKeyRevoked
    if key.owner.is_away:
        raise ApiKeyPaused(pausing().days, pausing().address)
    if key.expires_at is not None and key.expires_at <= timezone.now():
        raise ApiKeyExpired
    return Known(stored_caller(key), key.owner, key)


def stored_caller(key: ApiKey) -> Caller:
    """The caller of a stored key, as far as the management API asks."""
    return Caller(
        key_id=str(key.pk),
        kid=key.kid,
        label=key.label,
        owner_id=str(key.owner.pk),
        owner=str(key.owner),
        role=key.owner.role,
        source="database",
        networks=read_networks(key.networks),
    )


def of_token(token: str) -> Known:
    """The person of an access token of the sign-in provider. Raises AccessTokenRefused and KeysUnavailable."""
    with _one_at_a_time:  # the tokens' reader belongs to one event loop at a time
        identity = wait_for(access_tokens(provider(), tuple(settings.OIDC_API_AUDIENCES)).read(token))
    user = User.objects.filter(issuer=identity.issuer, subject=identity.subject).exclude(subject="").first()
    if user is None or not user.may_call:
        raise AccessTokenRefused("its person is not known here, or may not call")
    caller = Caller(
        key_id="",
        kid="sso",
        label="single sign-on",
        owner_id=str(user.pk),
        owner=str(user),
        role=user.role,
        source="sso",
    )
    return Known(caller, user)


@cache
def access_tokens(provider: Provider, audiences: tuple[str, ...]) -> AccessTokens:
    """What verifies tokens; it keeps the provider's keys."""
    return AccessTokens(provider, audiences)


def note_use(key: ApiKey) -> None:
    """Write when the key was last used, twice a minute at most."""
    now = timezone.now()
    due = Q(last_used_at=None) | Q(last_used_at__lt=now - USED_EVERY)
    ApiKey.objects.filter(due, pk=key.pk).update(last_used_at=now)
