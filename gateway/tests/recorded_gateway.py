"""A live gateway whose every alias leads to one sample of `recorded/`, each at a provider of its own.

`NAME` falls back on a second provider, `only/NAME` does not: a hold that a sample causes concerns no other test.
"""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx

from bench.ports import free_port
from gateway.tests.live import LiveGateway, fresh_database, gateway_variables, prepare, serving
from gateway.upstream.scripted import ScriptedUpstream, scripted_upstream

QUICK = {"address_class": "private", "connect_limit": 1, "first_content_limit": 5, "idle_limit": 1}
EVERYTHING = ["tools", "vision", "json_schema", "audio", "reasoning"]
PRICE = {"prices": [{"starts": "2026-01-01", "input": "1", "cached_input": "0.5", "output": "2"}]}


def catalogue(upstream: ScriptedUpstream, samples: Iterable[str], more: dict[str, Any]) -> dict[str, Any]:
    """Providers, deployments and aliases of the samples; `more` are deployments with their other fields."""
    deployments = {name: {"model": f"recorded:name={name}"} for name in samples} | more
    slugs = ["rain", *deployments]
    return {
        "tiers": {"direct": {"name": "Direct", "billing": "paid", "rank": 1}},
        "policies": {"auto": {"synonyms": ["default"], "steps": [{"tier": "direct", "strategy": "listed"}]}},
        "providers": {
            slug: {"upstream": slug, "base_url": upstream.base_url, **QUICK, "open_after": 1000}
            for slug in slugs
        },
        "deployments": {
            slug: {"provider": slug, "tier": "direct", "capabilities": EVERYTHING, **PRICE, **fields}
            for slug, fields in {"rain": {"model": "ok"}, **deployments}.items()
        },
        "aliases": {
            **{slug: {"listed": False, "routes": [slug, "rain"]} for slug in deployments},
            **{f"only/{slug}": {"listed": False, "routes": [slug]} for slug in deployments},
        },
    }


@contextlib.contextmanager
def recorded_gateway(
    state: Path, samples: Iterable[str], more: dict[str, Any] | None = None
) -> Iterator[LiveGateway]:
    """The gateway in front of one scripted upstream, whose name in the result is `sun`."""
    port = free_port()
    with scripted_upstream(name="sun") as sun, fresh_database(migrated=True) as dsn:
        variables = gateway_variables(state, dsn, port)
        keys = prepare(variables, catalogue(sun, samples, more or {}))
        with serving("uvicorn", port, variables, state) as process:
            url = f"http://127.0.0.1:{port}"
            yield LiveGateway(url, keys, {"sun": sun}, dsn, process, "uvicorn", variables)


def ask(gateway: LiveGateway, model: str, **fields: Any) -> httpx.Response:
    """One chat request."""
    body = {"model": model, "messages": [{"role": "user", "content": "rain?"}], **fields}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=gateway.headers(), timeout=20)
