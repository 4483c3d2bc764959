"""How often one deployment failed of late: its outcomes of the rolling minute, counted from a failure on.

A deployment that does not fail has an empty window and costs nothing. Times are seconds on the caller's clock.
"""

from routing.engine.snapshot import BreakerRules

SPAN = 60.0
BUCKETS = 12
Z = 1.28  # one-sided: nine times of ten the true rate is above the bound

Window = tuple[tuple[int, int, int], ...]  # number of the bucket, successes, failures; the oldest first


def counted(window: Window, now: float, *, failed: bool) -> Window:
    """The window with one more outcome, without what is older than a minute; empty when no failure is left."""
    number = int(now * BUCKETS // SPAN)
    kept = [bucket for bucket in window if bucket[0] > number - BUCKETS]
    successes, failures = 0, 0
    if kept and kept[-1][0] >= number:  # a clock that stepped back counts on in the newest
        number, successes, failures = kept.pop()
    kept.append((number, successes + (not failed), failures + failed))
    return tuple(kept) if any(bucket[2] for bucket in kept) else ()


def fails_too_often(window: Window, rules: BreakerRules) -> bool:
    """True when enough outcomes say, beyond bad luck, that more than the tolerated share of them fails.

    A provider that may fail more often in a row is judged by at least so many outcomes.
    """
    failures = sum(bucket[2] for bucket in window)
    total = failures + sum(bucket[1] for bucket in window)
    if total < max(rules.judge_from, rules.open_after):
        return False
    return lower_bound(failures, total) > rules.failure_rate


def lower_bound(failures: int, total: int) -> float:
    """The lower end of the Wilson score interval of failures / total, at Z; `total` is at least 1."""
    rate, square = failures / total, Z * Z / total
    spread: float = Z * ((rate * (1 - rate) + square / 4) / total) ** 0.5
    return (rate + square / 2 - spread) / (1 + square)
