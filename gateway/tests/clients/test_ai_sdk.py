"""Vercel's AI SDK through its OpenAI provider (chat, and responses, its default) and its Anthropic provider."""

import pytest

from gateway.tests.clients.environments import Client, run
from gateway.tests.clients.said import (
    AFTER_THE_TOOL,
    BROKE_OFF,
    CALL_AS_OBJECT,
    ECHO,
    PICTURE,
    UNKNOWN_MODEL,
    Told,
)
from gateway.tests.live import LiveGateway

PACKAGES = {
    "ai": "7.0.173",
    "@ai-sdk/openai": "4.0.118",
    "@ai-sdk/anthropic": "4.0.105",
    "zod": "4.6.7",
}
CLIENT = Client("ai-sdk", PACKAGES, "node")
USAGE = {"inputTokens": 6, "outputTokens": 4, "totalTokens": 10}

through_every_door = pytest.mark.parametrize("door", ["chat", "responses", "messages"])


@pytest.fixture(scope="module", params=["fake", "native"])
def told(request: pytest.FixtureRequest, uvicorn_gateway: LiveGateway) -> Told:
    return run(CLIENT, "ai_sdk.mjs", uvicorn_gateway, request.param)


@through_every_door
def test_a_text_is_generated_with_its_usage(told: Told, door: str):
    answer = told[f"{door}_json"]

    assert (answer["text"], answer["finish"]) == (ECHO, "stop")
    assert answer["usage"].items() >= USAGE.items()


@through_every_door
def test_a_streamed_text_is_the_same_and_finishes_once(told: Told, door: str):
    stream = told[f"{door}_stream"]

    assert (stream["text"], stream["finish"]) == (ECHO, ["stop"])
    assert stream["usage"].items() >= USAGE.items()


@through_every_door
def test_the_tool_loop_takes_two_steps(told: Told, door: str):
    assert told[f"{door}_tools"] == {**CALL_AS_OBJECT, "text": AFTER_THE_TOOL, "steps": 2}


@through_every_door
def test_an_image_arrives(told: Told, door: str):
    assert told[f"{door}_image"] == {"text": PICTURE}


@through_every_door
def test_an_unknown_model_throws_with_its_status(told: Told, door: str):
    refused = told[f"{door}_unknown_model"]

    assert (refused["raised"][0], refused["status"]) == ("AI_APICallError", 404)
    assert UNKNOWN_MODEL in refused["message"]


@pytest.mark.parametrize("door", ["responses", "messages", "chat"])
def test_a_stream_that_breaks_off_throws(told: Told, door: str):
    assert "AISDKError" in told[f"{door}_broken_stream"]["raised"]
    assert BROKE_OFF in told[f"{door}_broken_stream"]["message"]


def test_thoughts_are_carried_through_a_tool_loop_when_nothing_is_stored(told: Told):
    assert told["stateless_reasoning"] == {
        "text": AFTER_THE_TOOL, "steps": 2, "thought": "w1 w2 w3 w4 w5"
    }  # fmt: skip


def test_a_reference_to_something_stored_is_refused_with_what_to_do(told: Told):
    refused = told["stored_reasoning"]

    assert refused["status"] == 400
    assert "clients do so when `store` is false" in refused["message"]
