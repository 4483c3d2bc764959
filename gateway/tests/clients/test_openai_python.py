"""openai-python 1.x and newer, installed as its users install it."""

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

CURRENT = Client("openai-python", {"openai": "3.54.0"})
OLDER = Client("openai-python", {"openai": "1.109.1"})
RUNS = {"3-fake": (CURRENT, "fake"), "3-native": (CURRENT, "native"), "1-fake": (OLDER, "fake")}


@pytest.fixture(scope="module", params=RUNS.values(), ids=RUNS)
def told(request: pytest.FixtureRequest, uvicorn_gateway: LiveGateway) -> Told:
    client, face = request.param
    return run(client, "openai_modern.py", uvicorn_gateway, face)


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
    assert told["responses_image"] == {"text": PICTURE}


@pytest.mark.parametrize("case", ["unknown_model", "responses_unknown_model"])
def test_an_unknown_model_raises_not_found(told: Told, case: str):
    assert told[case]["raised"][0] == "NotFoundError"
    assert UNKNOWN_MODEL in told[case]["message"]


@pytest.mark.parametrize("case", ["broken_stream", "responses_broken_stream"])
def test_a_stream_that_breaks_off_raises(told: Told, case: str):
    assert told[case]["raised"][0] == "APIError"
    assert told[case]["message"] == BROKE_OFF


def test_a_text_completion_reads_the_same_whole_and_streamed(told: Told):
    completion = told["completions"]

    assert completion["text"] == completion["streamed"] == ECHO
    assert completion["usage"].items() >= USAGE.items()


def test_embeddings_are_lists_of_numbers(told: Told):
    assert told["embeddings"] == {"lengths": [8, 8], "numbers": True}


def test_a_response_has_text_status_and_usage(told: Told):
    answer = told["responses_json"]

    assert (answer["text"], answer["status"]) == (ECHO, "completed")
    assert (answer["usage"]["input_tokens"], answer["usage"]["output_tokens"]) == (6, 4)


def test_a_streamed_response_has_the_same_text_and_completes_once(told: Told):
    assert told["responses_stream"] == {"text": ECHO, "last": "response.completed", "ends": 1, "whole": ECHO}


def test_a_response_calls_a_tool_and_answers_its_result(told: Told):
    assert told["responses_tools"] == {**CALL, "text": AFTER_THE_TOOL}


def test_a_response_that_needs_memory_is_refused_with_what_to_do(told: Told):
    refused = told["responses_with_memory"]

    assert refused["raised"][0] == "BadRequestError"
    assert "Send the whole conversation in `input`" in refused["message"]
