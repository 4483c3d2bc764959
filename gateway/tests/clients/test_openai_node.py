"""openai-node: chat completions and the Responses API."""

import pytest

from gateway.tests.clients.environments import Client, run
from gateway.tests.clients.said import (
    AFTER_THE_TOOL,
    BROKE_OFF,
    CALL,
    ECHO,
    PICTURE,
    UNKNOWN_MODEL,
    USAGE,
    Told,
)
from gateway.tests.live import LiveGateway

CLIENT = Client("openai-node", {"openai": "7.57.0"}, "node")


@pytest.fixture(scope="module", params=["fake", "native"])
def told(request: pytest.FixtureRequest, uvicorn_gateway: LiveGateway) -> Told:
    return run(CLIENT, "openai_node.mjs", uvicorn_gateway, request.param)


def test_it_lists_the_models(told: Told):
    assert "rainymodel/auto" in told["models"]["names"]


def test_a_json_answer_has_text_finish_reason_and_usage(told: Told):
    answer = told["json_answer"]

    assert (answer["text"], answer["finish"]) == (ECHO, "stop")
    assert answer["usage"].items() >= USAGE.items()


def test_a_stream_has_the_same_text_finishes_once_and_ends_with_usage(told: Told):
    stream = told["stream"]

    assert (stream["text"], stream["finish"]) == (ECHO, ["stop"])
    assert stream["usage"].items() >= USAGE.items()


def test_a_tool_is_called_and_its_result_answered(told: Told):
    assert told["tools"] == {"finish": "tool_calls", **CALL, "text": AFTER_THE_TOOL}


def test_a_streamed_tool_call_is_whole(told: Told):
    assert told["streamed_tools"] == CALL


def test_an_image_arrives(told: Told):
    assert told["image"] == {"text": PICTURE}


@pytest.mark.parametrize("case", ["unknown_model", "responses_unknown_model"])
def test_an_unknown_model_throws_not_found(told: Told, case: str):
    assert "NotFoundError" in told[case]["raised"]
    assert UNKNOWN_MODEL in told[case]["message"]


@pytest.mark.parametrize("case", ["broken_stream", "responses_broken_stream"])
def test_a_stream_that_breaks_off_throws(told: Told, case: str):
    assert "APIError" in told[case]["raised"]
    assert BROKE_OFF in told[case]["message"]


def test_a_response_has_text_status_and_usage(told: Told):
    answer = told["responses_json"]

    assert (answer["text"], answer["status"]) == (ECHO, "completed")
    assert (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]) == (6, 4)


def test_a_streamed_response_has_the_same_text_and_completes_once(told: Told):
    assert told["responses_stream"] == {"text": ECHO, "last": "response.completed", "ends": 1}


def test_a_response_calls_a_tool_and_answers_its_result(told: Told):
    assert told["responses_tools"] == {**CALL, "text": AFTER_THE_TOOL}
