"""A small catalogue for the tests of tables, documents and pages: two tiers, two providers, three deployments."""

from typing import Any

from rainymodel_site import env
from routing.addresses import AllowedUpstreams
from routing.environment import Surroundings
from routing.loader import load_rows

FREE = {"starts": "2026-01-01", "input": 0, "cached_input": 0, "output": 0}
SMALL: dict[str, Any] = {
    "tiers": {
        "free": {"name": "Free", "billing": "free", "rank": 1},
        "direct": {"name": "Direct", "billing": "paid", "rank": 2},
    },
    "policies": {
        "auto": {"synonyms": ["default"], "steps": ["free", {"tier": "direct", "strategy": "cheapest"}]},
        "dear": {"steps": ["direct"], "price_ceiling": "12.5"},
    },
    "providers": {
        "sun": {
            "upstream": "sun",
            "base_url": "https://api.sun.example/v1",
            "credential_variable": "SUN_KEY",
            "extra_headers": {"X-Title": "RainyModel"},
            "first_content_limit": 45,
            "concurrency_limit": 4,
            "quota_window": "month",
        },
        "moon": {
            "upstream": "moon",
            "base_url": "https://api.moon.example/v1",
            "credential_variable": "MOON_KEY",
            "open_after": 2,
            "open_for": 7.5,
        },
    },
    "deployments": {
        "sun/bright": {
            "provider": "sun",
            "model": "bright",
            "tier": "free",
            "prices": [FREE],
            "capabilities": ["tools", "vision"],
            "dialects": ["chat", "embeddings"],
            "context_window": 32768,
        },
        "moon/pale": {
            "provider": "moon",
            "model": "pale",
            "tier": "direct",
            "prices": [
                {"starts": "2026-01-01", "input": "0.28", "cached_input": "0.028", "output": "0.42"},
                {"starts": "2027-01-01", "input": "0.3", "output": "1.2"},
            ],
            "parameter_policy": {"max_tokens": "max_completion_tokens", "temperature": None},
            "first_content_limit": 10,
            "total_limit": 90,
            "output_limit": 4096,
            "quality": 7,
            "source": "price list, 2026-11-21",
        },
        "moon/any": {"provider": "moon", "model": "*", "tier": "direct"},
    },
    "aliases": {
        "weather": {
            "description": "General purpose.",
            "policy": "dear",
            "routes": ["sun/bright", {"deployment": "moon/pale", "weight": 3, "enabled": False}],
            "standard_target": "weather-mini",
        },
        "weather-mini": {
            "routes": ["moon/pale", "sun/bright"],
            "first_content_deadline": 20,
            "listed": False,
        },
        "moon-*": {"routes": ["moon/any"]},
        "moon-big-*": {"routes": ["moon/any"]},
    },
}


def load_small() -> None:
    """The small catalogue, in the tables."""
    load_rows(SMALL, overwrite=True)


def surroundings(**fields: Any) -> Surroundings:
    """A production worker that has both credentials of the small catalogue."""
    settled: dict[str, Any] = {
        "mode": env.PRODUCTION,
        "variables": {"SUN_KEY": "sun-secret", "MOON_KEY": "moon-secret"},
        "pairs": frozenset({("SUN_KEY", "api.sun.example"), ("MOON_KEY", "api.moon.example")}),
        "allowed": AllowedUpstreams(plaintext=("203.0.113.9:11434",)),
    }
    return Surroundings(**(settled | fields))
