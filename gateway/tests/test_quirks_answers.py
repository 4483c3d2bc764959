"""What each provider's good answers and broken streams look like to a client, and what the log keeps of them.

`paid/…` costs 1, 0.5 and 2 USD per million tokens of input, cached input and output; `pair/…` has a second upstream.
"""

from decimal import Decimal
from typing import Any

import httpx
import openai
import pytest

from gateway.sse import EventSplitter
from gateway.tests.live import LiveGateway
from gateway.tests.recorded_gateway import ask
from gateway.upstream.classify import read_json

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["json", "sse"])
TEXT = "Rain falls softly."
# What the providers say was used: input not cached, cached, output, reasoning inside it; and the cost in USD.
USED = {
    "ollama-answer": (26, 0, 31, 0, "0.000088"),
    "deepseek-answer": (48, 64, 40, 25, "0.00016"),
    "openai-answer": (176, 1024, 90, 64, "0.000868"),
    "xai-answer": (26, 6, 103, 94, "0.000235"),
    "openrouter-answer": (50, 0, 20, 8, "0.00009"),
}
THOUGHTS = {
    "ollama-answer": ("reasoning", "A short sentence about rain."),
    "deepseek-answer": ("reasoning_content", "They want rain."),
    "xai-answer": ("reasoning_content", "Rain, then."),
    "openrouter-answer": ("reasoning", "Rain."),
}


def path(sample: str, alias: str = "paid", pause: str = "") -> str:
    """The model name that plays a sample."""
    return f"{alias}/recorded:name={sample}{pause}"


def chunks_in(answer: httpx.Response) -> list[dict[str, Any]]:
    """The JSON of every event but [DONE]."""
    events = EventSplitter().feed(answer.content)
    return [read_json(data) for data in events if data != b"[DONE]"]


def deltas_in(answer: httpx.Response) -> list[dict[str, Any]]:
    """Every delta of a stream in order; of a whole answer, its message."""
    if answer.headers["content-type"].startswith("application/json"):
        return [choice["message"] for choice in answer.json()["choices"]]
    return [choice["delta"] for chunk in chunks_in(answer) for choice in chunk["choices"]]


def joined(deltas: list[dict[str, Any]], name: str) -> str:
    """One field's text over all deltas."""
    return "".join(delta.get(name) or "" for delta in deltas)


def finishes_in(answer: httpx.Response) -> list[str]:
    """The finish reasons, in order."""
    whole = answer.headers["content-type"].startswith("application/json")
    bodies = [answer.json()] if whole else chunks_in(answer)
    reasons = [choice.get("finish_reason") for body in bodies for choice in body["choices"]]
    return [reason for reason in reasons if reason]


@BOTH
@pytest.mark.parametrize("sample", USED)
def test_text_thoughts_and_the_end_arrive_whole(uvicorn_gateway: LiveGateway, sample: str, stream: bool):
    answer = ask(uvicorn_gateway, path(sample), stream=stream)
    deltas = deltas_in(answer)

    assert answer.status_code == 200
    assert joined(deltas, "content") == TEXT
    if sample in THOUGHTS:
        name, thoughts = THOUGHTS[sample]
        assert joined(deltas, name) == thoughts
    assert finishes_in(answer) == ["stop"]
    if stream:
        assert answer.text.endswith("data: [DONE]\n\n")
        assert "keep-alive" not in answer.text
        assert "PROCESSING" not in answer.text


@BOTH
@pytest.mark.parametrize("sample", USED)
def test_usage_is_told_in_classes_and_costs_what_each_class_costs(
    uvicorn_gateway: LiveGateway, sample: str, stream: bool
):
    answer = ask(uvicorn_gateway, path(sample), stream=stream)
    row = uvicorn_gateway.row(answer.headers["x-request-id"])
    *classes, cost = USED[sample]

    names = ("input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
    assert [row[name] for name in names] == classes
    assert not row["estimated"]
    assert row["cost_usd"] == Decimal(cost)
    assert [attempt["word"] for attempt in row["attempts"]] == [""]


def test_deepseeks_older_account_of_its_cache_is_read_too(uvicorn_gateway: LiveGateway):
    answer = ask(uvicorn_gateway, path("deepseek-old-cache"))
    row = uvicorn_gateway.row(answer.headers["x-request-id"])

    assert (row["input_tokens"], row["cached_tokens"], row["output_tokens"]) == (48, 64, 40)


def test_the_providers_own_account_is_kept_whole(uvicorn_gateway: LiveGateway):
    rows = {
        sample: uvicorn_gateway.row(ask(uvicorn_gateway, path(sample)).headers["x-request-id"])
        for sample in ("xai-answer", "openrouter-answer")
    }

    assert rows["xai-answer"]["usage_raw"]["num_sources_used"] == 2
    assert rows["openrouter-answer"]["usage_raw"]["cost"] == 0.0000123


@BOTH
def test_fields_that_only_one_provider_has_pass(uvicorn_gateway: LiveGateway, stream: bool):
    router = ask(uvicorn_gateway, path("openrouter-answer"), stream=stream)
    grok = ask(uvicorn_gateway, path("xai-answer"), stream=stream)

    assert "reasoning_details" in deltas_in(router)[0]
    assert '"provider":"DeepInfra"' in router.text
    assert '"native_finish_reason":"eos"' in router.text
    assert "https://weather.example/oslo" in grok.text


def test_padding_against_eavesdroppers_does_not_disturb_a_client(uvicorn_gateway: LiveGateway):
    client = openai.OpenAI(
        base_url=f"{uvicorn_gateway.url}/v1", api_key=uvicorn_gateway.keys["plain"], max_retries=0
    )
    chunks = list(
        client.chat.completions.create(
            model=path("openai-answer"), messages=[{"role": "user", "content": "rain?"}], stream=True
        )
    )

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TEXT
    assert {chunk.id for chunk in chunks} == {"chatcmpl-BrainyDayRain0001"}


@BOTH
def test_a_refusal_in_words_is_an_answer(uvicorn_gateway: LiveGateway, stream: bool):
    answer = ask(uvicorn_gateway, path("openai-refusal", "pair"), stream=stream)

    assert answer.headers["x-rainymodel-upstream"] == "sun"
    assert joined(deltas_in(answer), "refusal") == "I cannot help with that."


@BOTH
def test_a_content_filters_finish_reason_is_kept(uvicorn_gateway: LiveGateway, stream: bool):
    answer = ask(uvicorn_gateway, path("openai-filtered", "pair"), stream=stream)

    assert answer.headers["x-rainymodel-upstream"] == "sun"
    assert finishes_in(answer) == ["content_filter"]


@BOTH
def test_parallel_calls_that_all_have_the_index_0_stay_two_calls(uvicorn_gateway: LiveGateway, stream: bool):
    answer = ask(uvicorn_gateway, path("ollama-tools"), stream=stream)
    calls = [call for delta in deltas_in(answer) for call in delta.get("tool_calls") or ()]

    assert [call["id"] for call in calls] == ["call_7k2p0q1z", "call_9x4m3n8w"]
    assert [call["function"]["arguments"] for call in calls] == ['{"city": "Paris"}', '{"city": "Oslo"}']
    if stream:
        assert [call["index"] for call in calls] == [0, 1]


def test_comments_and_empty_lines_long_before_the_first_event_are_waited_for(uvicorn_gateway: LiveGateway):
    for sample in ("deepseek-answer", "openrouter-answer"):
        answer = ask(uvicorn_gateway, path(sample, pause=",pause=0.03"), stream=True)

        assert joined(deltas_in(answer), "content") == TEXT
        assert answer.headers["x-rainymodel-attempts"] == "1"


def test_empty_lines_before_a_json_answer_are_no_broken_answer(uvicorn_gateway: LiveGateway):
    answer = ask(uvicorn_gateway, path("deepseek-answer", pause=",pause=0.03"))

    assert joined(deltas_in(answer), "content") == TEXT


def test_an_error_behind_content_ends_the_stream_with_our_error(uvicorn_gateway: LiveGateway):
    answer = ask(uvicorn_gateway, path("openrouter-broken", pause=",pause=0.03"), stream=True)
    row = uvicorn_gateway.row(answer.headers["x-request-id"])

    assert chunks_in(answer)[-1]["error"]["code"] == "upstream_broken"
    assert "[DONE]" not in answer.text
    assert "Provider disconnected" not in answer.text
    assert row["state"] == "truncated"
    assert [(attempt["word"], attempt["status"]) for attempt in row["attempts"]] == [("server_error", 502)]
