"""A worker loads litellm when its catalogue needs it and only then, and goes on serving meanwhile."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil

from gateway.tests.live import LiveGateway, live_gateway

HELLO = {"messages": [{"role": "user", "content": "hello"}]}


def ask(gateway: LiveGateway, model: str) -> httpx.Response:
    return httpx.post(
        f"{gateway.url}/v1/chat/completions",
        json={"model": model, **HELLO},
        headers=gateway.headers(),
        timeout=60,
    )


def test_without_a_deployment_that_needs_it_litellm_stays_outside(uvicorn_gateway: LiveGateway):
    ask(uvicorn_gateway, "fake/ok")

    assert not loaded(uvicorn_gateway)


def test_with_one_it_is_there_and_its_answers_look_like_all_others(litellm_gateway: LiveGateway):
    answers = [ask(litellm_gateway, f"{provider}/ok") for provider in ("claude", "gemini")]

    assert [answer.json()["choices"][0]["message"]["content"] for answer in answers] == [
        "You said: hello",
        "You said: hello",
    ]
    assert [answer.headers["x-rainymodel-upstream"] for answer in answers] == ["claude", "gemini"]
    assert loaded(litellm_gateway)


def test_the_first_translated_call_holds_no_other_request_up(tmp_path: Path):
    with live_gateway("uvicorn", tmp_path, with_litellm=True) as gateway, ThreadPoolExecutor(1) as pool:
        first = pool.submit(ask, gateway, "claude/ok")
        waits = []
        while not first.done():
            began = time.monotonic()
            assert ask(gateway, "fake/ok").status_code == 200
            waits.append(time.monotonic() - began)

    assert first.result().status_code == 200
    # The import takes seconds; who had to wait for it would show as one wait of that length.
    assert len(waits) > 5
    assert max(waits) < sum(waits) / 2


def loaded(gateway: LiveGateway) -> bool:
    """Whether one of the gateway's processes has a library of litellm's in its memory."""
    processes = [
        psutil.Process(gateway.process.pid),
        *psutil.Process(gateway.process.pid).children(recursive=True),
    ]
    return any("tiktoken" in map_.path for process in processes for map_ in process.memory_maps())
