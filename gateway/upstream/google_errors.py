"""What Google's errors say beside their message: the same words, "You exceeded your current quota", stand for a limit
per minute and for one per day (https://ai.google.dev/gemini-api/docs/rate-limits).
"""

from collections.abc import Iterator, Mapping
from typing import Any

DAILY, PER_MINUTE = "PerDay", "PerMinute"


def only_a_minute(error: Mapping[str, Any]) -> bool:
    """Whether the quota that was exceeded is one per minute, and none per day."""
    limits = [
        str(violation.get("quotaId") or "")
        for detail in details(error)
        for violation in objects(detail.get("violations"))
    ]
    return any(PER_MINUTE in limit for limit in limits) and not any(DAILY in limit for limit in limits)


def retry_delay(error: Mapping[str, Any]) -> str | None:
    """The seconds of its `RetryInfo`; None without one, and for a day's quota, which it does not know of."""
    delays = [str(detail["retryDelay"]) for detail in details(error) if "retryDelay" in detail]
    return delays[0].removesuffix("s") if delays and only_a_minute(error) else None


def details(error: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The error's details."""
    return objects(error.get("details"))


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of a list; none of anything else."""
    return (each for each in value if isinstance(each, dict)) if isinstance(value, list) else iter(())
