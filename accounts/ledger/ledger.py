"""Reserving in memory, and the loop that reports to Postgres and takes leases from it."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import structlog
from psycopg_pool import AsyncConnectionPool

from accounts.key_rows import UNREACHABLE
from accounts.ledger.allowance import IDLE_REPORTS, SMALL, Allowance
from accounts.ledger.asks import NOTHING, Need, ask_of
from accounts.ledger.postgres import Answer, Ask, bury, register, sync
from accounts.ledger.rules import KINDS, MONEY, SLIDING, Calendar, Rule, period_of

log = structlog.get_logger("accounts.ledger")
REPORT_SECONDS = 0.25
ALIVE_SECONDS = 5.0
BURY_SECONDS = 10.0
QUESTION_SECONDS = 2.0
SECOND_LOOK = 0.1  # another worker may be about to return the last slot
LEASE_SECONDS = 25.0  # without an answer; after 30 s the others take what this worker held
RETRY_SECONDS = 1.0  # what a caller is told to wait while Postgres is away
Demand = tuple[Rule, int]


class Exceeded(Exception):
    """A rule has no room for the amount; `room` is what it has, `retry_after` when a window has some (seconds)."""

    def __init__(self, rule: Rule, amount: int, room: int, retry_after: float, period: int) -> None:
        super().__init__(f"{rule.name}: {amount} asked, {room} left")
        self.rule, self.amount, self.room = rule, amount, room
        self.retry_after, self.period = retry_after, period


class LedgerUnavailable(Exception):
    """Money cannot be reserved: the lease is used up and Postgres does not answer."""


@dataclass(slots=True)
class Reservation:
    """What a request has set aside; each part is settled once."""

    held: list[tuple[Allowance, int]]
    ledger: "Ledger" = field(repr=False)

    def settle(self, used: Callable[[Rule], int], kinds: frozenset[str] = KINDS) -> None:
        """Replace what was set aside by what was used, for rules of these kinds; a second call changes nothing."""
        held, self.held = self.held, []
        now = self.ledger.now()
        for part in held:
            allowance, amount = part
            if allowance.rule.kind in kinds:
                self.ledger.settle(allowance, amount, used(allowance.rule), now)
            else:
                self.held.append(part)

    def release(self) -> None:
        """Nothing was used."""
        if self.held:
            self.settle(lambda rule: 0)


@dataclass(slots=True)
class Waiting:
    """A request whose demands need a lease first."""

    demands: Sequence[Demand]
    done: asyncio.Future[None]


class Ledger:
    """All allowances of this worker. `clock` measures durations; Postgres tells the time of day."""

    def __init__(
        self, pool: AsyncConnectionPool, clock: Callable[[], float], wall_clock: Callable[[], float]
    ) -> None:
        self._pool, self._clock = pool, clock
        self._lessee: UUID | None = None
        self._offset = wall_clock() - clock()
        self._calendar = Calendar()
        self._allowances: dict[tuple[str, int], Allowance] = {}
        self._current: dict[str, Allowance] = {}
        self._active: dict[int, Allowance] = {}
        self._waiting: list[Waiting] = []
        self._wake = asyncio.Event()
        self._is_silent = False  # the last question failed: nobody waits for Postgres until it answers again
        self._leased_until = float("inf")
        self._buried_at = self._forgot_at = self._told_at = clock()
        self.workers = 1

    @property
    def known(self) -> int:
        """How many allowances this worker remembers."""
        return len(self._allowances)

    def now(self) -> float:
        """Postgres' time of day, in seconds since 1970."""
        return self._clock() + self._offset

    def allowance(self, rule: Rule) -> Allowance:
        """The rule's allowance now; a limit that was changed counts at once."""
        found = self._current.get(rule.name)
        if found is None or (
            rule.kind in MONEY and found.period != self._calendar.period(rule.kind, self.now())
        ):
            found = self._current[rule.name] = self._begun(rule)
        if found.rule is not rule:
            found.take_over(rule)
        return found

    def _begun(self, rule: Rule) -> Allowance:
        period = self._calendar.period(rule.kind, self.now()) if rule.kind in MONEY else 0
        found = self._allowances.get((rule.name, period))
        if found is None:
            found = self._allowances[rule.name, period] = Allowance(rule, period)
        return found

    def try_reserve(self, demands: Sequence[Demand]) -> Reservation | None:
        """All of the demands from leases at hand, or none of them."""
        if self._clock() > self._leased_until:
            self._end_leases()
        held = []
        for rule, amount in demands:
            allowance = self.allowance(rule)
            if 0 < amount > allowance.free:  # as Allowance.lacks has it; this is on every request's way
                return None
            held.append((allowance, amount))
        return self._take(held)

    async def reserve(self, demands: Sequence[Demand], *, looks: int = 2) -> Reservation:
        """All of the demands, asking Postgres where a lease is short. Raises Exceeded, or LedgerUnavailable.

        `looks`: how often it is asked for something of the kind `running` that is all taken.
        """
        reservation = self.try_reserve(demands)
        if reservation is not None:
            return reservation
        for rule, amount in demands:
            if amount > rule.limit:
                raise Exceeded(rule, amount, rule.limit, 0.0, period_of(rule.kind, self.now()))
        for look in range(looks):
            if not self._is_silent:
                await self._leased(demands)
            if self._is_silent:
                return self._without_postgres(demands)
            reservation = self.try_reserve(demands)
            if reservation is not None:
                return reservation
            short = self._first_short(demands)
            if look + 1 == looks or short.rule.kind != "running":
                raise short
            await asyncio.sleep(SECOND_LOOK)
        raise AssertionError("the last look decides")

    def settle(self, allowance: Allowance, amount: int, used: int, now: float) -> None:
        """See Reservation.settle; `now` is this ledger's."""
        allowance.settle(amount, used, now)
        self._active[id(allowance)] = allowance
        if allowance.rule.kind == "running" and allowance.rule.limit < SMALL:
            self._wake.set()

    async def run(self) -> None:
        """Report and take for as long as the worker lives."""
        while True:
            await self._pause()
            await self._sync()
            await self._keep_house()

    async def _pause(self) -> None:
        """Until the next report is due, or a request needs a lease; nothing hurries a Postgres that is away."""
        if self._is_silent:
            await asyncio.sleep(REPORT_SECONDS)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(REPORT_SECONDS):
                    await self._wake.wait()
        self._wake.clear()

    async def stop(self) -> None:
        """Give everything back."""
        with suppress(*UNREACHABLE):
            async with asyncio.timeout(QUESTION_SECONDS):
                self._active.update((id(each), each) for each in self._allowances.values())
                await self._sync()
                if self._lessee is not None:
                    await bury(self._pool, self._lessee)
                    self._lessee = None

    def _take(self, held: list[tuple[Allowance, int]]) -> Reservation:
        for allowance, amount in held:
            allowance.reserve(amount)
            self._active[id(allowance)] = allowance
        return Reservation(held, self)

    async def _leased(self, demands: Sequence[Demand]) -> None:
        waiting = Waiting(demands, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._wake.set()
        try:
            async with asyncio.timeout(2 * QUESTION_SECONDS):
                await waiting.done
        except TimeoutError:
            self._is_silent = True
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    def _first_short(self, demands: Sequence[Demand]) -> Exceeded:
        for rule, amount in demands:
            allowance = self.allowance(rule)
            if allowance.lacks(amount):
                room = max(0, allowance.free) + max(0, allowance.room)
                allowance.idle = IDLE_REPORTS  # what is too little here may be enough elsewhere
                return Exceeded(rule, amount, room, allowance.retry_after, allowance.period)
        raise AssertionError("one of the demands is short")

    def _without_postgres(self, demands: Sequence[Demand]) -> Reservation:
        """Rates and slots by this worker's own count and its share of the limit; money only from the lease."""
        held = [(self.allowance(rule), amount) for rule, amount in demands]
        for allowance, amount in held:
            if not allowance.lacks(amount):
                continue
            rule = allowance.rule
            if rule.kind in MONEY:
                raise LedgerUnavailable
            taken = allowance.reserved + (allowance.used_since(self.now()) if rule.kind in SLIDING else 0)
            room = max(1, rule.limit // self.workers) - taken
            if amount > room:
                raise Exceeded(rule, amount, max(0, room), RETRY_SECONDS, allowance.period)
        return self._take(held)

    async def _sync(self) -> None:
        waiting, self._waiting = self._waiting, []
        needs: dict[int, Need] = {}
        for each in waiting:
            for rule, amount in each.demands:
                allowance = self.allowance(rule)
                self._active[id(allowance)] = allowance
                needs[id(allowance)] = needs.get(id(allowance), NOTHING).and_also(amount)
        if self._active or self._is_silent or self._clock() - self._told_at > ALIVE_SECONDS:
            await self._ask(needs)
        # While Postgres is away those who came meanwhile need not wait for another try.
        for each in (*waiting, *(self._waiting if self._is_silent else ())):
            if not each.done.done():
                each.done.set_result(None)
        await asyncio.sleep(0)  # they take what came for them before anybody else's need is counted

    async def _ask(self, needs: dict[int, Need]) -> None:
        asked_at = self._clock()
        try:
            async with asyncio.timeout(QUESTION_SECONDS):
                while not await self._is_answered(needs):
                    self._begin_again()
        except UNREACHABLE as error:
            if not self._is_silent:
                log.warning("limits cannot be shared with other workers", problem=type(error).__name__)
            self._is_silent = True
            return
        self._is_silent = False
        self._told_at, self._leased_until = asked_at, asked_at + LEASE_SECONDS

    def _end_leases(self) -> None:
        """Postgres has not answered for so long that the others may take what is leased here."""
        self._leased_until = float("inf")
        for allowance in self._allowances.values():
            allowance.free = min(allowance.free, 0)

    async def _is_answered(self, needs: dict[int, Need]) -> bool:
        """False when the others have taken this worker for dead."""
        if self._lessee is None:
            lessee = uuid4()
            await register(self._pool, lessee)
            self._lessee = lessee
        # By name, so that workers lock in the same order.
        active = sorted(self._active.values(), key=lambda each: (each.rule.name, each.period))
        asks = [ask_of(each, needs.get(id(each), NOTHING), keep=self._is_silent) for each in active]
        answer = await sync(self._pool, self._lessee, asks)
        if answer is not None:
            self._apply(asks, answer)
        return answer is not None

    def _begin_again(self) -> None:
        log.warning("this worker was taken for dead; it takes its leases again")
        self._lessee = None
        for allowance in self._allowances.values():
            allowance.begin_again()
            self._active[id(allowance)] = allowance

    def _apply(self, asks: list[Ask], answer: Answer) -> None:
        self._offset, self.workers = answer.now - self._clock(), max(1, answer.workers)
        for ask, (given, room, retry_after) in zip(asks, answer.grants, strict=True):
            allowance = ask.allowance
            allowance.free += given
            allowance.room, allowance.retry_after = room, retry_after
            allowance.reported.update(ask.use)
            if allowance.free <= 0 and not allowance.unreported():
                self._active.pop(id(allowance), None)

    async def _keep_house(self) -> None:
        now = self._clock()
        if now - self._forgot_at > ALIVE_SECONDS:
            self._forgot_at = now
            self._forget()
        if now - self._buried_at > BURY_SECONDS:
            self._buried_at = now
            with suppress(*UNREACHABLE):
                async with asyncio.timeout(QUESTION_SECONDS):
                    await bury(self._pool)

    def _forget(self) -> None:
        """Drop what no longer says anything: old buckets, rates nobody uses, calendar periods that are long over.

        The period before this one stays, as Postgres' clock may be set back: its totals must go on from there.
        """
        now = self.now()
        for key, allowance in list(self._allowances.items()):
            allowance.forget(now)
            kind = allowance.rule.kind
            is_over = kind not in MONEY or allowance.period < period_of(kind, now) - 1
            is_quiet = not (allowance.free or allowance.reserved or allowance.unreported())
            empty = not allowance.used or kind in MONEY
            if is_over and is_quiet and empty and id(allowance) not in self._active:
                del self._allowances[key]
                if self._current.get(key[0]) is allowance:
                    del self._current[key[0]]
