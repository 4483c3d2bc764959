"""Access tokens of the provider as API keys: verified here, by keys that are kept.

The keys are asked for again after ten minutes, and when none of them signed a token, then once a minute at most. While
the provider does not answer, the keys at hand count for an hour; a token that none of them signed is refused.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

from accounts.errors import AccessTokenRefused, KeysUnavailable
from accounts.oidc.calls import fetch
from accounts.oidc.errors import ProviderSilent, SignatureRefused, TokenExpired, TokenRefused
from accounts.oidc.provider import Provider
from accounts.oidc.tokens import Identity, SigningKey, issuer_of, read_access_token, read_keys

log = structlog.get_logger("accounts.oidc")
FRESH_SECONDS = 600.0
TRUSTED_SECONDS = 3600.0
PAUSE_SECONDS = 60.0


class AccessTokenExpired(AccessTokenRefused):
    """A token that the provider signed and whose time is over: no guess."""


class AccessTokens:
    """What tells this worker whom an access token speaks of. `monotonic` measures durations."""

    def __init__(
        self,
        provider: Provider,
        audiences: Sequence[str],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider, self._audiences, self._monotonic = provider, tuple(audiences), monotonic
        self._keys: tuple[SigningKey, ...] = ()
        self._fetched = self._asked = float("-inf")
        self._asking: asyncio.Task[None] | None = None

    async def read(self, token: str) -> Identity:
        """The identity. Raises AccessTokenRefused, and KeysUnavailable while there are no keys to judge by."""
        if issuer_of(token) != self._provider.issuer:
            raise AccessTokenRefused("it is not of the sign-in provider of this server")
        if self._age() >= FRESH_SECONDS:
            await self._renew()
        if self._age() >= TRUSTED_SECONDS:
            raise KeysUnavailable
        try:
            return self._judge(token)
        except SignatureRefused:
            await self._renew()
        except TokenRefused as refusal:
            raise refused(refusal) from None
        try:
            return self._judge(token)
        except TokenRefused as refusal:
            raise refused(refusal) from None

    def _judge(self, token: str) -> Identity:
        return read_access_token(token, self._keys, self._provider.issuer, self._audiences)

    def _age(self) -> float:
        return self._monotonic() - self._fetched

    async def _renew(self) -> None:
        """Ask for the keys, unless that was done within the minute; who comes meanwhile waits for the same answer."""
        if self._asking is None:
            if self._monotonic() - self._asked < PAUSE_SECONDS:
                return
            self._asked = self._monotonic()
            self._asking = asyncio.ensure_future(self._fetch())
            self._asking.add_done_callback(self._asked_for)
        await asyncio.shield(self._asking)

    def _asked_for(self, _: asyncio.Task[None]) -> None:
        self._asking = None

    async def _fetch(self) -> None:
        try:
            keys = read_keys((await fetch(self._provider.jwks)).document())
        except ProviderSilent as silence:
            log.warning("the provider's keys cannot be fetched", detail=silence.detail)
            return
        if keys:
            self._keys, self._fetched = keys, self._monotonic()


def refused(refusal: TokenRefused) -> AccessTokenRefused:
    """Why a token does not call."""
    kind = AccessTokenExpired if isinstance(refusal, TokenExpired) else AccessTokenRefused
    return kind(refusal.detail)


def looks_like_token(credential: str) -> bool:
    """Whether a credential has the three parts of a signed token."""
    return credential.count(".") == 2 and credential.startswith("ey")
