"""Fills the database of a benchmark: `python -m bench.prepare UPSTREAM_URL` prints the API key.

With `--catalogue` in the place of the URL the catalogue is read from standard input instead.

A process of its own, because Django reads its settings once.
"""

import json
import sys
from typing import Any

import django

ALIAS = "bench/json"
MODEL = "ok"  # what the scripted upstream plays for ALIAS
STREAM_ALIASES = "stream/"  # + the scenario that the scripted upstream is to play


# Every limit that a key can have, none of which the load reaches.
LIMITS: dict[str, int] = {
    "requests_per_minute": 1_000_000,
    "concurrent_requests": 1000,
    "tokens_per_minute": 10_000_000_000,
    "usd_per_day": 1_000_000,
    "usd_per_month": 1_000_000,
}


def main(upstream: str) -> str:
    """The API key of a database that is filled for this upstream, or with the catalogue of standard input."""
    return fill(json.load(sys.stdin) if upstream == "--catalogue" else catalogue(upstream))


def fill(rows: dict[str, Any]) -> str:
    """Migrate, load, publish, make a key that allows the load."""
    django.setup()
    from django.core.management import call_command

    from accounts.issue import issue_key, service_user
    from routing.loader import load_rows
    from routing.publish import publish

    call_command("migrate", verbosity=0)
    load_rows(rows, overwrite=True)
    publish("bench")
    _, key = issue_key(service_user(), "bench", **LIMITS)
    return key.text


def catalogue(upstream: str) -> dict[str, Any]:
    """Two tiers, a policy, priced deployments: everything that a request has to walk through in earnest."""
    price = {"starts": "2026-01-01", "input": "0.15", "cached_input": "0.075", "output": "0.6"}
    able = {"capabilities": ["tools", "vision", "json_schema"], "context_window": 128_000, "prices": [price]}
    provider = {"base_url": upstream, "address_class": "private"}
    return {
        "tiers": {
            "free": {"name": "Free", "billing": "free", "rank": 1},
            "direct": {"name": "Direct", "billing": "paid", "rank": 2},
        },
        "policies": {"auto": {"steps": ["free", "direct"]}},
        "providers": {"sun": {"upstream": "sun", **provider}, "rain": {"upstream": "rain", **provider}},
        "deployments": {
            "sun/ok": {"provider": "sun", "model": MODEL, "tier": "free", **able},
            "rain/ok": {"provider": "rain", "model": MODEL, "tier": "direct", **able},
            "sun/any": {"provider": "sun", "model": "*", "tier": "free", **able},
        },
        "aliases": {
            ALIAS: {"routes": ["sun/ok", "rain/ok"]},
            f"{STREAM_ALIASES}*": {"listed": False, "routes": ["sun/any", "rain/ok"]},
        },
    }


if __name__ == "__main__":
    print(main(sys.argv[1]))
