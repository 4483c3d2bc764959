"""What a key may use at once and per minute: check before the body is read, reserve after the plan, settle, release.

Per key and worker. The requests of any 60 seconds are counted exactly (a sliding window, not a calendar minute).
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from accounts.callers import Caller
from gateway.errors import GatewayError, LimitReached
from gateway.record import LogEntry
from routing.engine.plan import Plan

WINDOW = 60.0
REMEMBERED_KEYS = 20_000


@dataclass(slots=True)
class Use:
    """One key's recent requests (times of admission) and how many are running."""

    admitted: deque[float] = field(default_factory=deque)
    running: int = 0


class Ticket:
    """One admitted request; it holds what was reserved until it is settled."""

    __slots__ = ("reserved",)

    def __init__(self) -> None:
        self.reserved: dict[str, int] | None = None

    def reserve(self, plan: Plan, input_tokens: int, max_tokens: int | None) -> None:
        """Set aside what the request may cost at most, before the first attempt."""
        limits = [d.output_limit for d in plan.ordered if d.output_limit is not None]
        output = max_tokens if max_tokens is not None else max(limits, default=0)
        self.reserved = {"input_tokens": input_tokens, "output_tokens": output}

    def settle(self, entry: LogEntry) -> None:
        """Replace what was reserved by what was used; the entry keeps both."""
        entry.reservation = self.reserved
        self.reserved = None


class Limits:
    """All keys' limits in this worker."""

    def __init__(self, clock: Callable[[], float], remembered: int = REMEMBERED_KEYS) -> None:
        self._clock, self._remembered = clock, remembered
        self._uses: dict[str, Use] = {}

    @contextmanager
    def admit(self, caller: Caller) -> Iterator[Ticket]:
        """Count one request for as long as the block lasts. Raises LimitReached; a refusal consumes nothing."""
        use = self._use_of(caller.key_id)
        self.check(caller, use)
        use.admitted.append(self._clock())
        use.running += 1
        try:
            yield Ticket()
        finally:
            use.running -= 1

    def check(self, caller: Caller, use: Use) -> None:
        """Raises LimitReached when one more request would be over a limit."""
        now = self._clock()
        while use.admitted and use.admitted[0] <= now - WINDOW:
            use.admitted.popleft()
        per_minute, at_once = caller.requests_per_minute, caller.concurrent_requests
        if per_minute is not None and len(use.admitted) >= per_minute:
            raise over_rate(per_minute, (use.admitted[0] if use.admitted else now) + WINDOW - now)
        if at_once is not None and use.running >= at_once:
            raise LimitReached(
                f"This API key may run {at_once} requests at once, and they are running. Wait for one to end.",
                code="concurrency_limit",
                retry_after=1.0,
            )

    @property
    def known(self) -> int:
        """How many keys' use is remembered."""
        return len(self._uses)

    def _use_of(self, key_id: str) -> Use:
        use = self._uses.get(key_id)
        if use is None:
            self._forget_idle()
            use = self._uses[key_id] = Use()
        return use

    def _forget_idle(self) -> None:
        if len(self._uses) < self._remembered:
            return
        horizon = self._clock() - WINDOW
        idle = [
            key
            for key, use in self._uses.items()
            if not use.running and (not use.admitted or use.admitted[-1] < horizon)
        ]
        for key in idle:
            del self._uses[key]


def over_rate(limit: int, wait: float) -> GatewayError:
    """The 429 of a rate limit, with the numbers clients read."""
    seconds = max(1, round(wait + 0.499))
    error = LimitReached(
        f"This API key may send {limit} requests per minute. Try again in {seconds} s.", retry_after=wait
    )
    error.extra_headers = (
        (b"x-ratelimit-limit-requests", str(limit).encode()),
        (b"x-ratelimit-remaining-requests", b"0"),
        (b"x-ratelimit-reset-requests", f"{seconds}s".encode()),
    )
    return error
