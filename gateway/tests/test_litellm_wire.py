"""The litellm wire in Anthropic's and Gemini's dialect, as JSON and as a stream: the same promises in all four."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gateway.errors import AttemptFailed, StreamBroken
from gateway.tests.litellm_client import CREDENTIAL, PIXEL, PREFIXES, answer, call_at, opened_wire
from gateway.tests.scripted_client import WEATHER, tool
from gateway.upstream.litellm_wire import LiteLLMWire
from gateway.upstream.scripted import ScriptedUpstream
from routing.engine.outcome import Fault
from routing.engine.snapshot import TimeLimits

pytestmark = [pytest.mark.parametrize("prefix", PREFIXES, ids=["anthropic", "gemini"])]
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    upstream = await ScriptedUpstream.start()
    yield upstream
    await upstream.stop()


@pytest.fixture
async def wire() -> AsyncIterator[LiteLLMWire]:
    async with opened_wire() as wire:
        yield wire


async def failure(wire: LiteLLMWire, call: Any) -> AttemptFailed | StreamBroken:
    with pytest.raises((AttemptFailed, StreamBroken)) as caught:
        await answer(wire, call)
    return caught.value


@both_ways
async def test_text_comes_back_with_its_finish_reason_and_model(wire, upstream, prefix, stream):
    found = await answer(wire, call_at(upstream, prefix, "ok", stream=stream))

    assert found["message"]["content"] == "You said: hello there"
    assert (found["finish"], found["model"]) == ("stop", "ok")


@both_ways
async def test_usage_counts_all_input_and_what_was_cached(wire, upstream, prefix, stream):
    call = call_at(upstream, prefix, "ok:prompt=100,completion=20,cached=30", stream=stream)

    usage = (await answer(wire, call))["usage"]

    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (100, 20, 120)
    assert usage["prompt_tokens_details"]["cached_tokens"] == 30


@both_ways
async def test_a_tool_call_carries_its_name_and_arguments(wire, upstream, prefix, stream):
    call = call_at(upstream, prefix, stream=stream, tools=[tool("get_weather")], tool_choice="required")

    found = await answer(wire, call)

    function = found["message"]["tool_calls"][0]["function"]
    assert (function["name"], found["finish"]) == ("get_weather", "tool_calls")
    assert set(json.loads(function["arguments"])) == {"city", "days"}


@both_ways
async def test_parallel_tool_calls_stay_apart(wire, upstream, prefix, stream):
    tools = [tool("get_weather"), tool("get_time")]
    messages = [{"role": "user", "content": "get_weather and get_time please"}]

    found = await answer(wire, call_at(upstream, prefix, stream=stream, tools=tools, messages=messages))

    functions = [call["function"] for call in found["message"]["tool_calls"]]
    assert [function["name"] for function in functions] == ["get_weather", "get_time"]
    assert all(json.loads(function["arguments"])["city"] for function in functions)


@both_ways
async def test_a_tools_result_reaches_the_model(wire, upstream, prefix, stream):
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "rain all day"},
    ]

    found = await answer(
        wire, call_at(upstream, prefix, stream=stream, tools=[tool("get_weather")], messages=messages)
    )

    assert "rain all day" in found["message"]["content"]


@both_ways
async def test_an_inlined_image_reaches_the_model(wire, upstream, prefix, stream):
    parts = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": PIXEL}}]

    found = await answer(
        wire, call_at(upstream, prefix, stream=stream, messages=[{"role": "user", "content": parts}])
    )

    assert found["message"]["content"] == "I received 1 image. You said: see"


@both_ways
async def test_a_json_schema_is_honoured(wire, upstream, prefix, stream):
    schema = {"type": "json_schema", "json_schema": {"name": "weather", "schema": WEATHER}}

    found = await answer(wire, call_at(upstream, prefix, stream=stream, response_format=schema))

    assert set(json.loads(found["message"]["content"])) == {"city", "days"}
    assert found["finish"] == "stop"


@both_ways
async def test_reasoning_is_apart_from_the_text(wire, upstream, prefix, stream):
    found = await answer(wire, call_at(upstream, prefix, "reasoning:pieces=3", stream=stream))

    assert found["message"]["reasoning_content"].split() == ["w1", "w2", "w3"]
    assert found["message"]["content"] == "You said: hello there"


@both_ways
async def test_a_token_limit_shows_in_the_finish_reason(wire, upstream, prefix, stream):
    found = await answer(wire, call_at(upstream, prefix, "ok", stream=stream, max_tokens=2))

    assert (found["message"]["content"].strip(), found["finish"]) == ("You said:", "length")


@both_ways
@pytest.mark.parametrize(
    ("model", "fault", "word"),
    [
        ("status:code=400", Fault.REQUEST, "invalid_request"),
        ("status:code=401", Fault.CREDENTIAL, "credential_refused"),
        ("status:code=403", Fault.CREDENTIAL, "credential_refused"),
        ("status:code=404", Fault.CONFIGURATION, "configuration"),
        ("status:code=429,retry_after=7", Fault.THROTTLED, "rate_limited"),
        ("status:code=500", Fault.UNHEALTHY, "server_error"),
        ("status:code=529", Fault.UNHEALTHY, "server_error"),
        ("context_length", Fault.TOO_LONG, "context_too_long"),
        ("redirect", Fault.CONFIGURATION, "configuration"),
        ("html", Fault.UNHEALTHY, "bad_response"),
        ("error_in_200", Fault.THROTTLED, "rate_limited"),
        ("error_first", Fault.UNHEALTHY, "server_error"),
        ("empty_sse", Fault.UNHEALTHY, "bad_response"),
        ("only_done", Fault.UNHEALTHY, "bad_response"),
        ("hangup", Fault.UNHEALTHY, "connection_error"),
        ("gzip", Fault.UNHEALTHY, "bad_response"),
    ],
)
async def test_a_failed_attempt_is_told_by_its_cause(wire, upstream, prefix, stream, model, fault, word):
    failed = await failure(wire, call_at(upstream, prefix, model, stream=stream))

    assert isinstance(failed, AttemptFailed)
    assert (failed.outcome.fault, failed.outcome.word) == (fault, word)
    assert len(upstream.ledger.entries) == 1


@both_ways
async def test_retry_after_is_kept(wire, upstream, prefix, stream):
    failed = await failure(wire, call_at(upstream, prefix, "status:code=429,retry_after=7", stream=stream))

    assert failed.outcome.retry_after == 7.0


@both_ways
@pytest.mark.parametrize("model", ["unauthorized", "status:code=400,text=" + CREDENTIAL])
async def test_our_credential_is_in_no_detail(wire, upstream, prefix, stream, model):
    failed = await failure(wire, call_at(upstream, prefix, model, stream=stream))

    assert CREDENTIAL not in repr(failed.outcome)


@pytest.mark.parametrize(
    ("model", "word"),
    [
        ("no_finish", "bad_response"),
        ("no_finish:done=1", "bad_response"),
        ("cut:how=fin", "connection_error"),
        ("cut:how=rst", "connection_error"),
        ("error_after", "server_error"),
    ],
)
async def test_a_stream_that_breaks_after_content_is_never_finished(wire, upstream, prefix, model, word):
    seen = []
    opened = await wire.open_stream(call_at(upstream, prefix, model, stream=True))

    with pytest.raises(StreamBroken) as caught:
        async for several in opened.events():
            seen += several
    await opened.close()

    assert caught.value.outcome.word == word
    assert seen[0]["choices"][0]["delta"]["content"]
    assert not any(choice["finish_reason"] for chunk in seen for choice in chunk["choices"])


async def test_a_whole_stream_without_its_last_event_is_whole(wire, upstream, prefix):
    found = await answer(wire, call_at(upstream, prefix, "no_done", stream=True))

    assert (found["message"]["content"], found["finish"]) == ("You said: hello there", "stop")


async def test_silence_after_content_is_a_timeout(wire, upstream, prefix):
    call = call_at(upstream, prefix, "stall", stream=True, limits=TimeLimits(idle=0.1))

    failed = await failure(wire, call)

    assert (type(failed), failed.outcome.word) == (StreamBroken, "timeout")


async def test_a_closed_stream_closes_the_upstreams_connection(wire, upstream, prefix):
    opened = await wire.open_stream(call_at(upstream, prefix, "endless:chunk=0.01", stream=True))

    await opened.close()

    gone = await upstream.ledger.until(lambda ledger: ledger.totals.cancelled == 1, timeout=0.25)
    assert gone


async def test_a_connection_is_used_again_after_a_whole_stream(wire, upstream, prefix):
    for _ in range(3):
        await answer(wire, call_at(upstream, prefix, "ok", stream=True))

    assert upstream.ledger.connections.accepted == 1


@both_ways
async def test_a_refused_address_gets_no_connection(upstream, prefix, stream):
    async with opened_wire(loopback=False) as guarded:
        failed = await failure(guarded, call_at(upstream, prefix, stream=stream))

    assert failed.outcome.word == "configuration"
    assert upstream.ledger.connections.accepted == 0


@both_ways
async def test_proxies_of_the_environment_are_not_used(wire, upstream, prefix, stream, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    found = await answer(wire, call_at(upstream, prefix, "ok", stream=stream))

    assert found["message"]["content"] == "You said: hello there"


@both_ways
@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "http://{}/a.png"}},
        {"type": "image_url", "image_url": "http://{}/a.png"},
        {"type": "file", "file": {"file_id": "http://{}/a.pdf"}},
        {"type": "image_url", "image_url": {"url": "gs://bucket/{}"}},
    ],
    ids=["image", "image-text", "file", "bucket"],
)
async def test_a_url_in_a_prompt_is_not_fetched(wire, upstream, prefix, stream, part):
    elsewhere = await ScriptedUpstream.start()
    spelled = json.loads(json.dumps(part).replace("{}", f"{elsewhere.host}:{elsewhere.port}"))
    messages = [{"role": "user", "content": [{"type": "text", "text": "see"}, spelled]}]

    failed = await failure(wire, call_at(upstream, prefix, stream=stream, messages=messages))

    assert failed.outcome.fault is Fault.CAPABILITY
    assert (elsewhere.ledger.connections.accepted, upstream.ledger.connections.accepted) == (0, 0)
    await elsewhere.stop()


@both_ways
async def test_nothing_in_a_body_steers_litellm(wire, upstream, prefix, stream):
    elsewhere = await ScriptedUpstream.start()
    steering = {
        "api_base": f"http://{elsewhere.host}:{elsewhere.port}",
        "base_url": f"http://{elsewhere.host}:{elsewhere.port}",
        "api_key": "sk-of-somebody-else",
        "cache": {"no-cache": True},
        "caching": True,
        "callbacks": ["langfuse"],
        "custom_llm_provider": "openai",
        "extra_headers": {"x-steered": "yes"},
        "fallbacks": ["openai/gpt-4o"],
        "headers": {"x-steered": "yes"},
        "metadata": {"tags": ["x"]},
        "mock_response": "mocked",
        "num_retries": 5,
        "stop_sequence_of_ours": "x",
    }

    found = await answer(wire, call_at(upstream, prefix, "ok", stream=stream, **steering))

    entry = upstream.ledger.entries[0]
    assert found["message"]["content"] == "You said: hello there"
    assert found["edits"] == dict.fromkeys(steering, "")
    assert elsewhere.ledger.connections.accepted == 0
    assert "x-steered" not in entry.headers
    assert CREDENTIAL in (entry.headers.get("x-api-key"), entry.headers.get("x-goog-api-key"))
    await elsewhere.stop()


@both_ways
async def test_what_a_model_does_not_take_is_left_out_and_told(wire, upstream, prefix, stream):
    call = call_at(upstream, prefix, stream=stream, logit_bias={"1": 2}, n=2, top_k=3, temperature=0.5)

    found = await answer(wire, call)

    assert found["edits"] == {"logit_bias": "", "n": ""}
    assert "0.5" in upstream.ledger.entries[0].raw_body.decode()


async def test_a_parameter_policy_is_applied_and_told(wire, upstream, prefix):
    policy = (("temperature", None), ("max_completion_tokens", "max_tokens"))
    call = call_at(upstream, prefix, "ok", policy=policy, temperature=0.5, max_completion_tokens=2)

    found = await answer(wire, call)

    assert found["edits"] == {"temperature": "", "max_completion_tokens": "max_tokens"}
    assert found["finish"] == "length"


@pytest.mark.parametrize(
    "fields",
    [{"tools": [{"type": "mcp", "server_url": "litellm_proxy"}]}, {"functions": [{"name": "f"}]}],
    ids=["other-tools", "functions"],
)
async def test_what_cannot_be_said_in_the_dialect_is_left_to_another_deployment(
    wire, upstream, prefix, fields
):
    failed = await failure(wire, call_at(upstream, prefix, **fields))

    assert failed.outcome.fault is Fault.CAPABILITY
    assert upstream.ledger.connections.accepted == 0


async def test_only_chats_are_translated(wire, upstream, prefix):
    failed = await failure(wire, replace(call_at(upstream, prefix), dialect="responses"))

    assert failed.outcome.fault is Fault.CAPABILITY


async def test_without_a_credential_litellm_looks_for_none(wire, upstream, prefix, monkeypatch):
    for name in ("ANTHROPIC_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(name, "of-the-environment")

    failed = await failure(wire, replace(call_at(upstream, prefix), credential=None))

    assert failed.outcome.fault is Fault.CREDENTIAL
    assert upstream.ledger.connections.accepted == 0


async def test_the_clients_payload_stays_as_it_was(wire, upstream, prefix):
    parts = [{"type": "text", "text": "see", "cache_control": {"type": "ephemeral"}}]
    call = call_at(upstream, prefix, messages=[{"role": "user", "content": parts}], tools=[tool("f")])
    before = json.dumps(call.payload)

    await wire.complete(call)

    assert json.dumps(call.payload) == before
    assert len(upstream.ledger.entries) == 1


async def test_many_at_once_do_not_mix(wire, upstream, prefix):
    calls = [
        call_at(upstream, prefix, stream=bool(n % 2), messages=[{"role": "user", "content": f"number {n}"}])
        for n in range(20)
    ]

    found = await asyncio.gather(*(answer(wire, call) for call in calls))

    assert [each["message"]["content"] for each in found] == [f"You said: number {n}" for n in range(20)]
