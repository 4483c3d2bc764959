"""The scripted upstream's Anthropic face, as a plain client sees it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.tests.scripted_client import WEATHER, connected
from gateway.upstream.scripted import ScriptedUpstream, scripted_upstream

HEADERS = {"x-api-key": "sk-ant-test", "anthropic-version": "2023-06-01", "content-type": "application/json"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[ScriptedUpstream]:
    with scripted_upstream() as upstream:
        yield upstream


def ask(
    upstream: ScriptedUpstream, model: str, headers: dict[str, str] = HEADERS, **fields: Any
) -> tuple[int, str]:
    body = {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}], **fields}
    with connected(upstream.base_url) as connection:
        connection.request("POST", "/v1/messages", json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, response.read().decode()


def events(text: str) -> list[dict[str, Any]]:
    """The data of the events; each is named as its type says."""
    frames = [frame.split("\n") for frame in text.strip().split("\n\n")]
    found = [json.loads(data.removeprefix("data: ")) for _, data in frames]
    assert [name for name, _ in frames] == [f"event: {event['type']}" for event in found]
    return found


def test_a_message_has_blocks_a_stop_reason_and_usage(upstream: ScriptedUpstream):
    status, text = ask(upstream, "ok:prompt=100,completion=20,cached=30")

    message = json.loads(text)
    assert (status, message["type"], message["stop_reason"]) == (200, "message", "end_turn")
    assert message["content"] == [{"type": "text", "text": "You said: hello"}]
    assert message["usage"] == {
        "input_tokens": 70,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 30,
        "output_tokens": 20,
    }


def test_a_streams_events_come_in_anthropics_order(upstream: ScriptedUpstream):
    found = events(ask(upstream, "reasoning:pieces=1", stream=True)[1])

    kinds = [event["type"] for event in found]
    thought = ["content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"]
    said = ["content_block_start", "content_block_delta", "content_block_delta", "content_block_delta"]
    assert kinds[:2] == ["message_start", "ping"]
    assert kinds[2:6] == thought
    assert kinds[6:10] == said
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert found[4]["delta"]["type"] == "signature_delta"
    assert found[-2]["delta"]["stop_reason"] == "end_turn"


def test_two_tools_are_two_blocks(upstream: ScriptedUpstream):
    tools = [{"name": name, "input_schema": WEATHER} for name in ("get_weather", "get_time")]
    messages = [{"role": "user", "content": "get_weather and get_time"}]

    found = events(ask(upstream, "ok", tools=tools, messages=messages, stream=True)[1])

    starts = [event["content_block"]["name"] for event in found if event["type"] == "content_block_start"]
    deltas = [
        event["delta"] for event in found if event["type"] == "content_block_delta" and event["index"] == 1
    ]
    assert starts == ["get_weather", "get_time"]
    assert set(json.loads("".join(delta["partial_json"] for delta in deltas))) == {"city", "days"}


def test_images_are_counted_and_tool_results_read(upstream: ScriptedUpstream):
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"}

    seen = ask(
        upstream, "ok", messages=[{"role": "user", "content": [image, {"type": "text", "text": "see"}]}]
    )
    told = ask(upstream, "ok", messages=[{"role": "user", "content": [result]}])

    assert "I received 1 image. You said: see" in seen[1]
    assert "The tool answered: rain" in told[1]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (404, "not_found_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (529, "overloaded_error"),
    ],
)
def test_refusals_have_anthropics_shape(upstream: ScriptedUpstream, code: int, kind: str):
    status, text = ask(upstream, f"status:code={code}")

    problem = json.loads(text)
    assert (status, problem["type"], problem["error"]["type"]) == (code, "error", kind)


def test_an_overload_in_the_middle_is_an_error_event(upstream: ScriptedUpstream):
    found = events(ask(upstream, "error_after", stream=True)[1])

    assert found[-1]["error"]["type"] == "overloaded_error"


def test_a_stream_without_a_finish_has_no_closing_events(upstream: ScriptedUpstream):
    kinds = {event["type"] for event in events(ask(upstream, "no_finish", stream=True)[1])}

    assert not kinds & {"message_delta", "message_stop"}


@pytest.mark.parametrize(
    ("without", "status", "said"),
    [("x-api-key", 401, "x-api-key"), ("anthropic-version", 400, "anthropic-version")],
)
def test_required_headers_are_required(upstream: ScriptedUpstream, without: str, status: int, said: str):
    headers = {name: value for name, value in HEADERS.items() if name != without}

    found = ask(upstream, "ok", headers)

    assert found[0] == status
    assert said in found[1]


def test_max_tokens_is_required(upstream: ScriptedUpstream):
    status, text = ask(upstream, "ok", max_tokens=None)

    assert (status, json.loads(text)["error"]["message"]) == (400, "max_tokens: Field required")
