"""The x-rainymodel-* headers: what was asked, where it went, and what was tried before."""

import re

from gateway.errors import Headers
from gateway.exchange import Exchange
from routing.engine.snapshot import Deployment

UNSAFE = re.compile(r"[^\x20-\x7e]")
LONGEST = 200


def request_headers(exchange: Exchange) -> Headers:
    """What is known before any attempt; these leave with an early keep-alive."""
    plan = exchange.plan
    return (
        (b"x-rainymodel-policy", safe(plan.policy.name)),
        (b"x-rainymodel-requested-model", safe(plan.requested)),
        (b"x-rainymodel-tier-order", safe(",".join(plan.tier_order))),
        (b"x-rainymodel-revision", str(plan.revision).encode()),
        *exchange.limits,
    )


def answer_headers(exchange: Exchange, deployment: Deployment) -> Headers:
    """All headers of a routed answer, at the moment it is sent."""
    elapsed = exchange.services.clock() - exchange.call.started
    return (
        (b"x-rainymodel-route", safe(deployment.tier.slug)),
        (b"x-rainymodel-upstream", safe(deployment.provider.upstream)),
        (b"x-rainymodel-model", safe(deployment.model)),
        (b"x-rainymodel-latency-ms", str(round(elapsed * 1000)).encode()),
        (b"x-rainymodel-overhead-ms", f"{overhead(exchange, elapsed) * 1000:.2f}".encode()),
        *walk_headers(exchange),
        *request_headers(exchange),
    )


def failure_headers(exchange: Exchange) -> Headers:
    """The headers of a request that no deployment answered."""
    return (
        (b"x-rainymodel-route", b"error"),
        (b"x-rainymodel-upstream", b"none"),
        *walk_headers(exchange),
        *request_headers(exchange),
    )


def walk_headers(exchange: Exchange) -> Headers:
    """How many attempts, and what was tried before; the latter only where something was."""
    progress = exchange.progress
    attempts = (b"x-rainymodel-attempts", str(progress.attempts).encode())
    if not progress.tried:
        return (attempts,)
    return (
        attempts,
        (b"x-rainymodel-fallback-reason", safe(progress.first_reason)),
        (b"x-rainymodel-tried", safe(",".join(progress.tried))),
    )


def overhead(exchange: Exchange, elapsed: float) -> float:
    """Seconds of `elapsed` that were ours: all that no attempt spent waiting for an upstream."""
    waited = sum(attempt.get("total_ms") or 0.0 for attempt in exchange.entry.attempts) / 1000
    return max(0.0, elapsed - waited - exchange.progress.answer_seconds)


def safe(text: str) -> bytes:
    """A header value: printable ASCII, not too long."""
    if text.isascii() and text.isprintable():
        return text[:LONGEST].encode()
    return UNSAFE.sub("?", text)[:LONGEST].encode("ascii")
