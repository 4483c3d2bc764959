"""What upstreams of the litellm wire answer in odd cases means the same as JSON and as a stream."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest

from gateway.errors import AttemptFailed, StreamBroken
from gateway.tests.litellm_client import CREDENTIAL, MODELS, answer, call_at, opened_wire
from gateway.upstream.litellm_answers import completion_body
from gateway.upstream.litellm_wire import LiteLLMWire
from gateway.upstream.scripted import ScriptedUpstream
from gateway.upstream.wire import UpstreamCall
from routing.engine.outcome import Fault

both_ways = pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
TEXT = "Rain all day."
CLAUDE_USAGE = {"input_tokens": 7, "output_tokens": 5}
GEMINI_USAGE = {"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}
TOLD_NOTHING = "nothing"


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    upstream = await ScriptedUpstream.start()
    yield upstream
    await upstream.stop()


@pytest.fixture
async def wire() -> AsyncIterator[LiteLLMWire]:
    async with opened_wire() as wire:
        yield wire


def claude(reason: str, text: str = "", usage: Any = CLAUDE_USAGE) -> tuple[dict[str, Any], list[Any]]:
    """A message and the events of the same; `usage` is the last thing that is told."""
    shell = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": []}
    told = {} if usage is TOLD_NOTHING else {"usage": usage}
    started = {} if usage is TOLD_NOTHING else {"usage": {"input_tokens": 7, "output_tokens": 1}}
    message = {**shell, "stop_reason": reason, **told}
    events: list[Any] = [{"type": "message_start", "message": {**shell, "stop_reason": None, **started}}]
    if text:
        message["content"] = [{"type": "text", "text": text}]
        block = {"type": "text", "text": ""}
        events += [
            {"type": "content_block_start", "index": 0, "content_block": block},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
            {"type": "content_block_stop", "index": 0},
        ]
    events += [
        {"type": "message_delta", "delta": {"stop_reason": reason}, **told},
        {"type": "message_stop"},
    ]
    return message, events


def gemini(reason: str, text: str = "", usage: Any = GEMINI_USAGE) -> tuple[dict[str, Any], list[Any]]:
    """A whole answer and the only event of a stream that says the same."""
    candidate: dict[str, Any] = {"finishReason": reason, "index": 0}
    if text:
        candidate["content"] = {"role": "model", "parts": [{"text": text}]}
    document = {"candidates": [candidate], "modelVersion": "gemini", "responseId": "r1"}
    if usage is not TOLD_NOTHING:
        document["usageMetadata"] = usage
    return document, [document]


def asked(
    upstream: ScriptedUpstream, prefix: str, said: tuple[dict[str, Any], list[Any]], stream: bool
) -> UpstreamCall:
    """A call that is answered in these words."""
    whole, events = (quote(json.dumps(part), safe="") for part in said)
    upstream.play(MODELS[prefix], f"verbatim:answer={whole},events={events}")
    return call_at(upstream, prefix, stream=stream)


@both_ways
@pytest.mark.parametrize(
    ("prefix", "said", "finish"),
    [
        ("anthropic/", claude("refusal"), "content_filter"),
        ("anthropic/", claude("end_turn"), "stop"),
        ("anthropic/", claude("max_tokens"), "length"),
        ("gemini/", gemini("SAFETY"), "content_filter"),
        ("gemini/", gemini("MAX_TOKENS"), "length"),
        ("gemini/", gemini("STOP"), "stop"),
    ],
    ids=["refusal", "end-turn", "max-tokens", "gemini-safety", "gemini-max-tokens", "gemini-stop"],
)
async def test_an_answer_without_content_is_whole_when_the_upstream_says_why_it_stopped(
    wire, upstream, prefix, said, finish, stream
):
    found = await answer(wire, asked(upstream, prefix, said, stream))

    assert (found["message"]["content"], found["finish"]) == ("", finish)
    assert (found["usage"]["prompt_tokens"], found["usage"]["completion_tokens"]) == (7, 5)


@both_ways
async def test_an_answer_without_content_and_without_a_reason_is_broken(wire, upstream, stream):
    message, events = claude("end_turn")
    del message["stop_reason"]

    with pytest.raises((AttemptFailed, StreamBroken)) as caught:
        await answer(wire, asked(upstream, "anthropic/", (message, events[:1]), stream))

    assert caught.value.outcome.word == "bad_response"


@both_ways
@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL"])
async def test_a_call_that_the_model_wrote_wrong_is_a_failure(wire, upstream, reason, stream):
    with pytest.raises(AttemptFailed) as caught:
        await answer(wire, asked(upstream, "gemini/", gemini(reason), stream))

    assert (caught.value.outcome.fault, caught.value.outcome.word) == (Fault.UNHEALTHY, "bad_response")


@both_ways
@pytest.mark.parametrize(
    ("prefix", "said"),
    [
        ("anthropic/", claude("end_turn", TEXT, {"input_tokens": 7, "output_tokens": None})),
        ("anthropic/", claude("end_turn", TEXT, {"input_tokens": "x", "output_tokens": 5})),
        ("anthropic/", claude("end_turn", TEXT, {"input_tokens": 7, "output_tokens": -5})),
        ("anthropic/", claude("end_turn", TEXT, {"input_tokens": 7, "output_tokens": 5.5})),
        ("anthropic/", claude("end_turn", TEXT, {"input_tokens": 7})),
        ("anthropic/", claude("end_turn", TEXT, TOLD_NOTHING)),
        ("gemini/", gemini("STOP", TEXT, {"promptTokenCount": 7, "totalTokenCount": 12})),
        ("gemini/", gemini("STOP", TEXT, {"promptTokenCount": 7, "candidatesTokenCount": -5})),
        ("gemini/", gemini("STOP", TEXT, TOLD_NOTHING)),
    ],
    ids=[
        *("null", "text", "negative", "fraction", "one-direction", "none"),
        *("gemini-one-direction", "gemini-negative", "gemini-none"),
    ],
)
async def test_usage_that_cannot_be_read_counts_as_not_told(wire, upstream, prefix, said, stream):
    found = await answer(wire, asked(upstream, prefix, said, stream))

    assert (found["message"]["content"], found["finish"]) == (TEXT, "stop")
    assert found["usage"] is None


async def test_a_whole_answer_whose_usage_is_not_of_numbers_is_whole(wire, upstream):
    said = gemini("STOP", TEXT, {"promptTokenCount": 7, "candidatesTokenCount": "many"})

    found = await answer(wire, asked(upstream, "gemini/", said, stream=False))

    assert (found["message"]["content"], found["usage"]) == (TEXT, None)


@both_ways
async def test_a_count_that_gemini_leaves_out_is_zero_when_the_total_is_the_prompt(wire, upstream, stream):
    said = gemini("SAFETY", usage={"promptTokenCount": 7, "totalTokenCount": 7})

    found = await answer(wire, asked(upstream, "gemini/", said, stream))

    assert (found["usage"]["prompt_tokens"], found["usage"]["completion_tokens"]) == (7, 0)


async def test_what_a_stream_tells_at_its_beginning_is_not_what_it_wrote(wire, upstream):
    said = claude("end_turn", TEXT)
    del said[1][-2]["usage"]

    found = await answer(wire, asked(upstream, "anthropic/", said, stream=True))

    assert found["usage"] is None


def test_a_finish_reason_that_is_a_failure_is_no_answer():
    choice = {"message": {"content": TEXT}, "finish_reason": "insufficient_system_resource"}

    with pytest.raises(AttemptFailed) as caught:
        completion_body({"choices": [choice]}, "ok", finished=True, credential=CREDENTIAL)

    assert (caught.value.outcome.fault, caught.value.outcome.word) == (Fault.UNHEALTHY, "server_error")
