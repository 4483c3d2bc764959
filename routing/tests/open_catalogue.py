"""A catalogue whose providers need no credential, so that the gate of publishing has something to lose."""

from typing import Any

from routing.loader import load_rows

FREE = {"starts": "2026-01-01", "input": 0, "cached_input": 0, "output": 0}
OPEN: dict[str, Any] = {
    "tiers": {
        "free": {"name": "Free", "billing": "free", "rank": 1},
        "direct": {"name": "Direct", "billing": "paid", "rank": 2},
    },
    "policies": {"auto": {"steps": ["free", "direct"]}, "free": {"steps": ["free"]}},
    "providers": {
        slug: {"upstream": slug, "base_url": f"https://{slug}.example/v1"} for slug in ("sun", "rain")
    },
    "deployments": {
        "sun/bright": {
            "provider": "sun", "model": "bright", "tier": "free", "capabilities": ["tools"], "prices": [FREE],
        },
        "rain/heavy": {
            "provider": "rain", "model": "heavy", "tier": "direct", "prices": [FREE],
            "capabilities": ["tools", "vision"],
        },
    },
    "aliases": {
        "weather": {"description": "General purpose.", "routes": ["sun/bright", "rain/heavy"]},
        "storm": {"routes": ["rain/heavy"]},
    },
}  # fmt: skip


def load_open() -> None:
    """The open catalogue, in the tables."""
    load_rows(OPEN, overwrite=True)
