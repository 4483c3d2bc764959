"""The gateway's directory of callers: from a credential to a Caller, from memory wherever possible.

A credential is checked in this order: the environment's keys, the shape and checksum of a key, the database, the
secret in constant time, the key's state. An access token of the sign-in provider is verified, then its person is looked
up. Answers are remembered under the credential's SHA-256 and checked again after 30 s, and at
once when keys or users change. No known key waits long for that: while a slow database is asked, memory answers.
Without the database, keys that were seen within a day work on, after a restart those of the key file.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar

import structlog
from psycopg_pool import AsyncConnectionPool

from accounts.caller import Caller, Defaults, EnvironmentKey, callers_of, environment_keys, token_caller
from accounts.errors import (
    AccessTokenRefused,
    ApiKeyExpired,
    ApiKeyPaused,
    ApiKeyRevoked,
    InvalidApiKey,
    KeyRefused,
    KeysUnavailable,
)
from accounts.key_file import KeyFile
from accounts.key_rows import (
    UNREACHABLE,
    KeyRow,
    answer_within,
    find_person,
    find_row,
    read_change_number,
    read_shut_keys,
    write_last_used,
)
from accounts.keys import hash_key, parse_key, same_hash
from accounts.oidc.bearer import AccessTokenExpired, AccessTokens, looks_like_token
from accounts.oidc.tokens import Identity
from accounts.pausing import NEVER, Pausing

__all__ = ["Caller", "CallerDirectory", "Defaults", "EnvironmentKey", "environment_keys"]

log = structlog.get_logger("accounts.callers")
FRESH_SECONDS = 30.0
KNOWN_SECONDS = 86_400.0  # how long a key works on without a database to ask
QUERY_SECONDS = 2.0
PATIENCE = 0.25  # how long a request with a known key waits for a question before memory answers
SAVE_SECONDS, SAVE_AGAIN_AFTER = (
    60.0,
    3600.0,
)  # changed keys are saved at most so often, unchanged ones so seldom
SILENCE_SECONDS = 5.0  # after a failed question nobody asks again for this long
REMEMBERED = 50_000
NEVER_FRESH = -1  # a generation that never is the present one
NO_DEFAULTS = Defaults()

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Known:
    """A caller the database (or the environment) vouched for at `checked`, in that generation of the directory."""

    caller: Caller
    generation: int
    checked: float


@dataclass(frozen=True, slots=True)
class Refused:
    """A credential that was turned away, and why: an error to be made from its class and its facts."""

    reason: type[KeyRefused]
    facts: tuple[Any, ...]
    generation: int
    checked: float


class CallerDirectory:
    """All callers this worker knows. `clock` is wall time (for expiry), `monotonic` measures durations."""

    def __init__(
        self,
        pool: AsyncConnectionPool,
        pepper: str,
        environment_keys: Sequence[EnvironmentKey] = (),
        defaults: Defaults = NO_DEFAULTS,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        remembered: int = REMEMBERED,
        pausing: Pausing = NEVER,
        tokens: AccessTokens | None = None,
        file: KeyFile | None = None,
    ) -> None:
        self._pool, self._pepper, self._defaults = pool, pepper, defaults
        self._clock, self._monotonic, self._remembered = clock, monotonic, remembered
        self._pausing, self._tokens, self._file = pausing, tokens, file
        self._environment = callers_of(environment_keys, pepper, defaults)
        # Two memories, so that a flood of wrong keys cannot push out the right ones.
        self._known: OrderedDict[bytes, Known] = OrderedDict()
        self._refused: OrderedDict[bytes, Refused] = OrderedDict()
        self._asking: dict[tuple[bytes, int], asyncio.Task[Caller]] = {}
        self._generation = 0
        self._change_number: int | None = None
        self._touched: set[str] = set()
        self._silent_until = float("-inf")

    def find(self, credential: str) -> Caller | None:
        """The caller when memory knows the credential and is fresh; None to look it up. Raises KeyRefused."""
        digest = digest_of(credential)
        known = self._known.get(digest)
        if known is not None:
            if not self._is_fresh(known):
                return None
            self._known.move_to_end(digest)
            return self._usable(known.caller)
        refused = self._refused.get(digest)
        if refused is not None and self._is_fresh(refused):
            raise refused.reason(*refused.facts)
        return None

    async def look_up(self, credential: str) -> Caller:
        """The caller, asking the database when needed. Raises KeyRefused or KeysUnavailable."""
        digest, hashed = digest_of(credential), hash_key(credential, self._pepper)
        caller = self._environment.get(hashed)
        if caller is not None:
            self._remember(digest, caller, self._generation)
            return caller
        kid = parse_key(credential)
        if kid is not None:
            return self._usable(await self._ask_once(digest, partial(self._find_key, kid, hashed), hashed))
        if self._tokens is not None and looks_like_token(credential):
            identity = await self._tokens.read(credential)
            return self._usable(await self._ask_once(digest, partial(self._find_person, identity)))
        raise InvalidApiKey

    async def of_kid(self, kid: str) -> Caller:
        """The caller of a stored key as it is now, for its owner at a page, where its text is not known.

        Raises KeyRefused or KeysUnavailable.
        """
        try:
            row = await answer_within(QUERY_SECONDS, find_row(self._pool, kid, self._defaults))
        except UNREACHABLE:
            raise KeysUnavailable from None
        if row is None:
            raise InvalidApiKey
        return self._usable(self._accepted(row))

    def invalidate(self) -> None:
        """Trust no answer given so far: every credential is checked again at its next use."""
        self._generation += 1

    async def refresh(self, number: int | str) -> bool:
        """The change number is now this; when it is news (the answer), what was remembered is checked again."""
        is_news = int(number) != self._change_number
        if is_news:
            self._change_number = int(number)
            self.invalidate()
        return is_news

    async def check_for_changes(self) -> bool:
        """Read the change number; True when something changed.

        Raises psycopg.Error, OSError or TimeoutError when the database does not answer.
        """
        try:
            async with asyncio.timeout(QUERY_SECONDS):
                number = await read_change_number(self._pool)
                if number != self._change_number:
                    self._drop(await read_shut_keys(self._pool))
        except UNREACHABLE:
            self._silent_until = self._monotonic() + SILENCE_SECONDS
            raise
        self._silent_until = float("-inf")
        if self._file is not None:
            self._file.forget()
        return await self.refresh(number)

    async def save_keys(self) -> None:
        """Write the key file when it is due; raises like check_for_changes."""
        if self._file is not None and self._change_number is not None:
            await self._file.save_when_due(self._pool, self._change_number, self._remembered)

    async def flush_last_used(self) -> None:
        """Write when keys were last used. Raises like check_for_changes, and then keeps what it could not write."""
        touched, self._touched = self._touched, set()
        if not touched:
            return
        try:
            async with asyncio.timeout(QUERY_SECONDS):
                await write_last_used(self._pool, touched)
        except BaseException:
            self._touched |= touched
            raise

    async def _ask_once(
        self, digest: bytes, find: Callable[[], Coroutine[Any, Any, Caller]], hashed: bytes | None = None
    ) -> Caller:
        """Requests that ask for the same credential at the same time share one question."""
        known = self._remembered_caller(digest)
        if known is not None and self._monotonic() < self._silent_until:
            return known
        question = (digest, self._generation)
        task = self._asking.get(question)
        if task is None:
            task = self._asking[question] = asyncio.ensure_future(self._ask(digest, find, hashed))
            task.add_done_callback(lambda done: self._forget_question(question, done))
        if known is not None and not (await asyncio.wait({task}, timeout=PATIENCE))[0]:
            return known
        # The client that asked first may leave; the others still wait for the answer.
        return await asyncio.shield(task)

    def _forget_question(self, question: tuple[bytes, int], task: asyncio.Task[Caller]) -> None:
        del self._asking[question]
        if not task.cancelled():
            task.exception()  # read, so that an answer nobody waited for is no warning

    async def _ask(
        self, digest: bytes, find: Callable[[], Coroutine[Any, Any, Caller]], hashed: bytes | None
    ) -> Caller:
        generation = self._generation  # of before the question: a change meanwhile makes the answer stale
        if self._monotonic() < self._silent_until:
            return await self._without_database(digest, hashed)
        try:
            caller = await answer_within(QUERY_SECONDS, find())
        except KeyRefused as refusal:
            raise self._refuse(digest, refusal, generation) from None
        except UNREACHABLE as error:
            log.warning("API keys cannot be checked", problem=type(error).__name__)
            self._silent_until = self._monotonic() + SILENCE_SECONDS
            return await self._without_database(digest, hashed)
        self._remember(digest, caller, generation)
        return caller

    async def _find_key(self, kid: str, hashed: bytes) -> Caller:
        row = await find_row(self._pool, kid, self._defaults)
        if row is None or not same_hash(row.secret_hash, hashed):
            raise InvalidApiKey
        return self._accepted(row)

    def _accepted(self, row: KeyRow) -> Caller:
        if row.revoked:
            raise ApiKeyRevoked
        if self._pausing.has_begun(row.caller.role, row.by_sso, row.seen_at, self._clock()):
            raise ApiKeyPaused(self._pausing.days, self._pausing.address)
        return row.caller

    async def _find_person(self, identity: Identity) -> Caller:
        person = await find_person(self._pool, identity.issuer, identity.subject)
        if person is None:
            raise AccessTokenRefused("its person is not known here, or may not call")
        return token_caller(identity.issuer, identity.subject, identity.expires_at, person, self._defaults)

    async def _without_database(self, digest: bytes, hashed: bytes | None) -> Caller:
        """From memory, else from the key file. Raises KeysUnavailable, or what the key's saved state says."""
        remembered = self._remembered_caller(digest)
        if remembered is not None:
            return remembered
        refused = self._refused.get(digest)
        if self._file is None or hashed is None or refused is not None:
            raise KeysUnavailable
        saved = await self._file.find(hashed, self._defaults)
        if saved is None:
            raise KeysUnavailable
        caller = self._accepted(saved.row)
        known = Known(caller, NEVER_FRESH, self._monotonic() - saved.age)
        keep(self._known, digest, known, self._remembered)
        return caller

    def _remembered_caller(self, digest: bytes) -> Caller | None:
        known = self._known.get(digest)
        if known is None or self._monotonic() - known.checked > KNOWN_SECONDS:
            return None
        return known.caller

    def _drop(self, shut: frozenset[str]) -> None:
        """Forget keys that are shut, or one nobody used since would work on in the next outage of the database."""
        for digest in [digest for digest, known in self._known.items() if known.caller.kid in shut]:
            del self._known[digest]

    def _usable(self, caller: Caller) -> Caller:
        if caller.expires_at is not None and self._clock() >= caller.expires_at:
            raise AccessTokenExpired("it has expired") if caller.source == "sso" else ApiKeyExpired
        if caller.source == "database":
            self._touched.add(caller.key_id)
        return caller

    def _is_fresh(self, answer: Known | Refused) -> bool:
        return answer.generation == self._generation and self._monotonic() - answer.checked < FRESH_SECONDS

    def _remember(self, digest: bytes, caller: Caller, generation: int) -> None:
        refused = self._refused.get(digest)
        if refused is not None and refused.generation > generation:
            return  # a later question was answered first
        self._refused.pop(digest, None)
        keep(self._known, digest, Known(caller, generation, self._monotonic()), self._remembered)

    def _refuse(self, digest: bytes, refusal: KeyRefused, generation: int) -> KeyRefused:
        self._known.pop(digest, None)  # or it would work on in the next outage of the database
        answer = Refused(type(refusal), refusal.args, generation, self._monotonic())
        keep(self._refused, digest, answer, self._remembered)
        return refusal


def digest_of(credential: str) -> bytes:
    """What a credential is remembered under; the credential itself stays in no memory."""
    return sha256(credential.encode("utf-8", "surrogatepass")).digest()


def keep(memory: OrderedDict[bytes, Value], digest: bytes, value: Value, limit: int) -> None:
    """Put the value in; above the limit the one unused longest makes room."""
    memory[digest] = value
    memory.move_to_end(digest)
    if len(memory) > limit:
        memory.popitem(last=False)
