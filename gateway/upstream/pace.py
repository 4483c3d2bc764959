"""How fast a body must come, once it has begun: silence, a drip and a body without end are all given up."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gateway.time_limit import TimeLimit
from gateway.upstream.wire import UpstreamCall


@dataclass(frozen=True, slots=True)
class Pace:
    """The least that a body moves: `rate` bytes a second on average, looked at when `grace` seconds have passed."""

    rate: float = 64.0
    grace: float = 30.0


def rest_of_body(limit: TimeLimit, call: UpstreamCall, spent: float, pace: Pace) -> Callable[[int], None]:
    """Move the attempt's timer to the idle limit, within what is left of the total.

    The result does so again for each piece, whose size it takes. It raises TimeoutError for a body slower than `pace`.
    """
    loop, limits = asyncio.get_running_loop(), call.deployment.limits
    began, received = loop.time(), 0
    end = began + limits.total - spent

    def heard(size: int) -> None:
        nonlocal received
        received += size
        now = loop.time()
        if now - began > pace.grace and received < pace.rate * (now - began):
            raise TimeoutError
        limit.reschedule(min(end, now + limits.idle))

    heard(0)
    return heard
