"""Names that may hold one `*`, which matches anything, also nothing."""

from collections.abc import Iterable

STAR = "*"


def captured(pattern: str, name: str) -> str | None:
    """What the pattern's `*` stands for in `name`; empty for an exact match, None for no match."""
    before, star, after = pattern.partition(STAR)
    if not star:
        return "" if name == pattern else None
    if len(name) < len(before) + len(after) or not name.startswith(before) or not name.endswith(after):
        return None
    return name[len(before) : len(name) - len(after)]


def matches_any(patterns: Iterable[str], name: str) -> bool:
    """True when one of the patterns carries the name."""
    return any(captured(pattern, name) is not None for pattern in patterns)
