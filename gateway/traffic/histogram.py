"""Latencies counted in fixed buckets, so that percentiles can be had of any sum of roll-ups.

The bounds grow by a third of an octave from 8 ms to 524 s. A percentile is the middle of its bucket (in logarithms),
kept within the least and the greatest value known: it is at most 12.3 % off, where the value lies between the first
and the last bound.
"""

import math
from collections.abc import Sequence
from itertools import accumulate

BOUNDS: tuple[float, ...] = tuple(round(2.0 ** (third / 3), 4) for third in range(9, 58))  # milliseconds
BUCKETS = len(BOUNDS) + 1
WORST_ERROR = 2 ** (1 / 6) - 1


def percentile(
    counts: Sequence[int], share: float, least: float | None = None, greatest: float | None = None
) -> float | None:
    """The value in ms that `share` (0 to 1) of the counted ones do not exceed; None when nothing was counted."""
    total = sum(counts)
    if not total:
        return None
    rank = max(1, math.ceil(total * share))
    bucket = next(number for number, sum_ in enumerate(accumulate(counts)) if sum_ >= rank)
    value = middle(bucket)
    value = value if least is None else max(value, least)
    return value if greatest is None else min(value, greatest)


def middle(bucket: int) -> float:
    """What stands for a bucket; the first and the last have one bound only."""
    if bucket == 0:
        return BOUNDS[0] / 2
    if bucket == len(BOUNDS):
        return BOUNDS[-1]
    return math.sqrt(BOUNDS[bucket - 1] * BOUNDS[bucket])
