"""A worker loads litellm when its catalogue needs it and only then, and goes on serving meanwhile."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil

from gateway.tests.live import LiveGateway, live_gateway

HELLO = {"messages": [{"role": "user", "content": "hello"}]}


def ask(gateway: LiveGateway, model: str, **fields: Any) -> httpx.Response:
    return httpx.post(
        f"{gateway.url}/v1/chat/completions",
        json={"model": model, **HELLO, **fields},
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


def test_a_schema_that_would_keep_a_worker_busy_goes_to_the_next_upstream(litellm_gateway: LiveGateway):
    definitions: dict[str, Any] = {"d20": {"type": "string"}}
    for number in range(20):
        next_one = {"$ref": f"#/$defs/d{number + 1}"}
        definitions[f"d{number}"] = {"type": "object", "properties": {"a": next_one, "b": next_one}}
    schema = {"type": "object", "properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": definitions}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}

    answer = ask(litellm_gateway, "gemini-or-rain/gemini-2.5-flash", tools=[tool], tool_choice="none")

    assert (answer.status_code, answer.headers["x-rainymodel-upstream"]) == (200, "rain")
    assert answer.headers["x-rainymodel-fallback-reason"] == "capability"


def test_a_model_name_that_leads_elsewhere_holds_nobody_up(litellm_gateway: LiveGateway):
    misled = ask(litellm_gateway, "gemini/../../admin")
    answer = ask(litellm_gateway, "gemini/ok")

    assert misled.json()["error"]["code"] == "capability_not_supported"
    assert answer.status_code == 200
    assert not litellm_gateway.upstreams["sun"].ledger.of("../../admin")


def test_an_answer_without_readable_figures_is_charged_by_estimate(litellm_gateway: LiveGateway):
    said = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude",
        "content": [{"type": "text", "text": "Rain all day."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": "x", "output_tokens": None},
    }
    litellm_gateway.upstreams["sun"].play(
        "miscounting", f"verbatim:answer={quote(json.dumps(said), safe='')}"
    )

    answer = ask(litellm_gateway, "claude/miscounting")
    row = litellm_gateway.row(answer.headers["x-request-id"])

    assert answer.json()["choices"][0]["message"]["content"] == "Rain all day."
    assert (row["state"], row["estimated"]) == ("ok", True)
    assert min(row["input_tokens"], row["output_tokens"]) > 0


def loaded(gateway: LiveGateway) -> bool:
    """Whether one of the gateway's processes has a library of litellm's in its memory."""
    processes = [
        psutil.Process(gateway.process.pid),
        *psutil.Process(gateway.process.pid).children(recursive=True),
    ]
    return any("tiktoken" in map_.path for process in processes for map_ in process.memory_maps())
