"""litellm's router before the same upstreams: `python -m bench.reliability.litellm_router UPSTREAM_URL [--short]`.

Prints what it did as JSON, by the names of the trials. A process of its own: litellm takes seconds and 180 MB to load.
The router is set up as its documentation begins: a fallback for the failing model and its own defaults otherwise, with
the limit to an answer that our deployments have.
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import litellm

from bench.gateway import LEDGER
from bench.reliability.asking import Answer, at_rate
from bench.reliability.catalogue import BROKEN, COIN, DEAD, DOWN, DRIP, FIRST, FIRST_CONTENT_LIMIT, STEADY
from bench.reliability.trials import FULL, SHORT, Scale

MESSAGES = [{"role": "user", "content": "hello"}]


def router(upstream: str, models: Mapping[str, list[str]], fallbacks: Mapping[str, str]) -> litellm.Router:
    """A router with these groups of upstream models, and who falls back on whom."""
    rows = [
        {
            "model_name": group,
            "litellm_params": {"model": f"openai/{model}", "api_base": upstream, "api_key": "none"},
        }
        for group, members in models.items()
        for model in members
    ]
    chains = [{group: [other]} for group, other in fallbacks.items()]
    return litellm.Router(model_list=rows, fallbacks=chains, timeout=FIRST_CONTENT_LIMIT)


async def ask(asked: Any, model: str, *, stream: bool = False) -> Answer:
    """One chat completion; whole when it came to an end that the caller would take for one."""
    started = time.monotonic()
    try:
        answer = await asked.acompletion(model=model, messages=MESSAGES, stream=stream)
        finish = await last_finish(answer) if stream else answer.choices[0].finish_reason
    except Exception as error:
        return Answer(500, False, time.monotonic() - started, type(error).__name__)
    return Answer(200, bool(finish), time.monotonic() - started)


async def last_finish(stream: Any) -> str:
    """The finish reason that a stream gave, read to its end."""
    finish = ""
    async for chunk in stream:
        finish = next((choice.finish_reason for choice in chunk.choices if choice.finish_reason), finish)
    return finish


async def hits(upstream: str) -> dict[str, int]:
    """How many requests the upstream has seen, by model."""
    async with aiohttp.ClientSession() as http, http.get(upstream.removesuffix("/v1") + LEDGER) as response:
        return dict((await response.json())["hits"])


async def trials(upstream: str, scale: Scale) -> dict[str, str]:
    """What it did, by trial."""
    found: dict[str, str] = {}
    dead = router(upstream, {"a": [DEAD], "b": [STEADY]}, {"a": "b"})
    before = await hits(upstream)
    answers = await at_rate(20, 5, lambda: ask(dead, "a"))
    reached = (await hits(upstream))[DEAD] - before.get(DEAD, 0)
    found["dead"] = f"{reached} hits by {len(answers)} requests in 5 s"

    down = router(upstream, {"a": [DOWN[0]], "b": [DOWN[1]]}, {"a": "b"})
    before = await hits(upstream)
    answers = await at_rate(10, scale.down, lambda: ask(down, "a"))
    after = await hits(upstream)
    found["down"] = f"{sum(after[model] - before.get(model, 0) for model in DOWN) / len(answers):.2f}"

    coin = router(upstream, {"a": [COIN, STEADY]}, {})
    before = await hits(upstream)
    seconds = min(scale.coin, 60)
    answers = await at_rate(100, seconds, lambda: ask(coin, "a"))
    reached = (await hits(upstream))[COIN] - before.get(COIN, 0)
    failed = sum(not answer.good for answer in answers) / len(answers)
    found["coin"] = f"{failed:.2%}; {reached} of {len(answers)} requests reached it in {seconds:.0f} s"

    first = router(upstream, {"a": [FIRST], "b": [STEADY]}, {"a": "b"})
    answers = [await ask(first, "a", stream=True) for _ in range(scale.requests)]
    found["first_event"] = f"{sum(answer.good for answer in answers) / len(answers):.0%}"

    flagged = [
        kind
        for kind, model in BROKEN.items()
        if not (await ask(router(upstream, {"a": [model]}, {}), "a", stream=True)).good
    ]
    found["broken"] = f"{len(flagged)} of {len(BROKEN)}" + (f" ({', '.join(flagged)})" if flagged else "")

    slow = router(upstream, {"a": [DRIP], "b": [STEADY]}, {"a": "b"})
    answer = await ask(slow, "a")
    found["drip"] = f"+ {(answer.seconds - FIRST_CONTENT_LIMIT) * 1000:.0f} ms"
    return found


def main(upstream: str, *options: str) -> None:
    """Try everything, print it."""
    litellm.suppress_debug_info = True
    logging.disable(logging.CRITICAL)
    print(json.dumps(asyncio.run(trials(upstream, SHORT if "--short" in options else FULL))))


if __name__ == "__main__":
    main(*sys.argv[1:])
