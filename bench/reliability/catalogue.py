"""The catalogue of the trials: each has upstreams of its own, so that none remembers what another did to it."""

from typing import Any

STEADY = "ok:prompt=20,completion=10"
DEAD, COIN, FIRST, DRIP = (
    "status:code=503",
    "flaky:every=2,code=500",
    "error_first",
    "drip_headers:gap=0.2,lines=60",
)
DOWN = ("status:code=500", "status:code=502")
# The five kinds of streams that look like a success and are none.
BROKEN = {
    "no finish reason": "no_finish",
    "no event": "empty_sse",
    "only [DONE]": "only_done",
    "a web page": "html",
    "cut": "cut:after=3,how=rst",
}
STREAM = "slow:first=0.2,chunk=0.1,chunks=40"
QUICK_STREAM = "slow:first=0.05,chunk=0.02,chunks=10"
FIRST_CONTENT_LIMIT = 2.0
PRICE = {"starts": "2026-01-01", "input": "1", "cached_input": "0.5", "output": "2"}


def catalogue(upstream: str) -> dict[str, Any]:
    """Aliases `trial/NAME`; those of a single upstream have nobody to fall back on."""
    trials = {
        "trial/steady": [STEADY],
        "trial/dead": [DEAD, STEADY],
        "trial/down": list(DOWN),
        "trial/coin": [COIN, STEADY],
        "trial/first": [FIRST, STEADY],
        "trial/drip": [DRIP, STEADY],
        "trial/stream": [STREAM],
        "trial/quick-stream": [QUICK_STREAM],
        **{f"trial/broken-{number}": [model] for number, model in enumerate(BROKEN.values())},
    }
    slugs = {
        (alias, model): f"{alias.removeprefix('trial/')}-{place}"
        for alias, models in trials.items()
        for place, model in enumerate(models)
    }
    provider = {"base_url": upstream, "address_class": "private", "first_content_limit": FIRST_CONTENT_LIMIT}
    return {
        "tiers": {"direct": {"name": "Direct", "billing": "paid", "rank": 1}},
        "policies": {"auto": {"steps": ["direct"]}},
        "providers": {slug: {"upstream": slug, **provider} for slug in slugs.values()},
        "deployments": {
            f"{slug}/x": {"provider": slug, "model": model, "tier": "direct", "prices": [PRICE]}
            for (_, model), slug in slugs.items()
        },
        "aliases": {
            alias: {"mode": "manual", "routes": [f"{slugs[alias, model]}/x" for model in models]}
            for alias, models in trials.items()
        },
    }
