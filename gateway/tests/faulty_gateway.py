"""A live gateway for faults: every fault has a provider of its own, whose circuit opens at the first failure.

`json/FAULT` and `sse/FAULT` fall back on a second upstream, `only/json/FAULT` and `only/sse/FAULT` on nothing. FAULT is
a scenario of the scripted upstream; each of the four is a provider, so that what one request causes concerns no other.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from bench.ports import free_port
from gateway.sse import EventSplitter
from gateway.tests.live import LiveGateway, fresh_database, gateway_variables, prepare, serving
from gateway.upstream.scripted import scripted_upstream

BOTH = pytest.mark.parametrize("shape", ["json", "sse"])
SHAPES = ("json", "sse")
EVERYTHING = ["tools", "vision", "json_schema", "audio", "reasoning"]
PRICE = {"prices": [{"starts": "2026-01-01", "input": "1", "cached_input": "0.5", "output": "2"}]}
# Ample, because the machine may be busy; what is about time brings limits of its own.
AMPLE = {"connect_limit": 5, "first_content_limit": 15, "idle_limit": 10, "total_limit": 60}
CREDENTIAL = "a-credential-of-the-faulty-upstream"
HELLO = [{"role": "user", "content": "rain?"}]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def provider(name: str, base_url: str, **fields: Any) -> dict[str, Any]:
    """A provider that is given up at its first failure."""
    return {
        "upstream": name, "base_url": base_url, "address_class": "private", "open_after": 1, "open_for": 120,
        "credential_variable": "FAULTY_API_KEY", **AMPLE, **fields,
    }  # fmt: skip


def deployment(owner: str, model: str, **fields: Any) -> dict[str, Any]:
    """A deployment that can do everything and costs something."""
    return {
        "provider": owner,
        "model": model,
        "tier": "direct",
        "capabilities": EVERYTHING,
        **PRICE,
        **fields,
    }


def catalogue(
    base_url: str, faults: Mapping[str, Mapping[str, Any]], more: Mapping[str, Any]
) -> dict[str, Any]:
    """The rows for each fault; `faults` holds the limits of its providers. `more` are rows beside them."""
    names = [f"{only}{shape}/{fault}" for only in ("", "only/") for shape in SHAPES for fault in faults]
    slugs = {name: f"faulty-{number}" for number, name in enumerate(names)}
    fields = {name: faults[name.removeprefix("only/").partition("/")[2]] for name in names}
    rows: dict[str, Any] = {
        "tiers": {"direct": {"name": "Direct", "billing": "paid", "rank": 1}},
        "policies": {"auto": {"synonyms": ["default"], "steps": [{"tier": "direct", "strategy": "listed"}]}},
        "providers": {
            "rain": provider("rain", base_url),
            **{slugs[name]: provider("faulty", base_url, **fields[name]) for name in names},
        },
        "deployments": {
            "rain": deployment("rain", "ok"),
            **{
                slugs[name]: deployment(slugs[name], name.removeprefix("only/").partition("/")[2])
                for name in names
            },
        },
        "aliases": {
            name: {"listed": False, "routes": [slugs[name], *([] if name.startswith("only/") else ["rain"])]}
            for name in names
        },
    }
    return {section: rows[section] | more.get(section, {}) for section in rows}


@contextlib.contextmanager
def faulty_gateway(
    state: Path,
    faults: Mapping[str, Mapping[str, Any]] | Iterable[str] = (),
    more: Callable[[str], Mapping[str, Any]] = lambda base_url: {},
    **environment: str,
) -> Iterator[LiveGateway]:
    """The gateway in front of one scripted upstream, `sun`. `more` makes rows from its base URL."""
    limits = dict(faults) if isinstance(faults, Mapping) else {fault: {} for fault in faults}
    port = free_port()
    with scripted_upstream(name="sun") as sun, fresh_database(migrated=True) as dsn:
        variables = {
            **gateway_variables(state, dsn, port),
            "RAINYMODEL_PING_SECONDS": "60",
            "FAULTY_API_KEY": CREDENTIAL,
            "RAINYMODEL_CREDENTIALS": "FAULTY_API_KEY@127.0.0.1,FAULTY_API_KEY@localhost",
            **environment,
        }
        keys = prepare(variables, catalogue(sun.base_url, limits, more(sun.base_url)))
        with serving("uvicorn", port, variables, state) as process:
            url = f"http://127.0.0.1:{port}"
            yield LiveGateway(url, keys, {"sun": sun}, dsn, process, "uvicorn", variables)


def ask(gateway: LiveGateway, model: str, shape: str = "json", **fields: Any) -> httpx.Response:
    """One chat request; `headers` are more headers."""
    headers = gateway.headers(**fields.pop("headers", {}))
    body = {"model": model, "messages": HELLO, "stream": shape == "sse", **fields}
    return httpx.post(f"{gateway.url}/v1/chat/completions", json=body, headers=headers, timeout=30)


def attempts(gateway: LiveGateway, answer: httpx.Response) -> list[dict[str, Any]]:
    """The attempts of a request's log row."""
    return list(gateway.row(answer.headers["x-request-id"])["attempts"])


def is_whole(answer: httpx.Response, shape: str) -> bool:
    """Whether the second upstream's answer arrived whole and nothing else did."""
    if answer.status_code != 200 or answer.headers["x-rainymodel-upstream"] != "rain":
        return False
    if text_of(answer, shape) != "You said: rain?":
        return False
    return shape == "json" or (answer.text.endswith("data: [DONE]\n\n") and "error" not in answer.text)


def chunks_of(answer: httpx.Response) -> list[dict[str, Any]]:
    """The JSON of every event but [DONE]."""
    return [orjson.loads(data) for data in EventSplitter().feed(answer.content) if data != b"[DONE]"]


def text_of(answer: httpx.Response, shape: str) -> str:
    """The first choice's text, in either shape."""
    if shape == "json":
        return str(answer.json()["choices"][0]["message"]["content"])
    choices = [choice for chunk in chunks_of(answer) for choice in chunk.get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices if choice["index"] == 0)
