"""openai-python 0.28, the last one with module-wide settings: old applications still carry it."""

import pytest

from gateway.tests.clients.environments import Client, run
from gateway.tests.clients.said import AFTER_THE_TOOL, BROKE_OFF, CALL, ECHO, UNKNOWN_MODEL, USAGE, Told
from gateway.tests.live import LiveGateway

CLIENT = Client("openai-python", {"openai": "0.28.1"})


@pytest.fixture(scope="module")
def told(uvicorn_gateway: LiveGateway) -> Told:
    return run(CLIENT, "openai_028.py", uvicorn_gateway)


def test_it_lists_the_models(told: Told):
    assert "rainymodel/auto" in told["models"]["names"]


def test_a_json_answer_has_text_finish_reason_and_usage(told: Told):
    answer = told["json_answer"]

    assert (answer["text"], answer["finish"]) == (ECHO, "stop")
    assert answer["usage"].items() >= USAGE.items()


def test_a_stream_has_the_same_text_and_finishes_once(told: Told):
    assert told["stream"] == {"text": ECHO, "finish": ["stop"]}


def test_a_tool_is_called_and_its_result_answered(told: Told):
    assert told["tools"] == {"finish": "tool_calls", **CALL, "text": AFTER_THE_TOOL}


def test_an_unknown_model_raises_what_this_version_has_for_it(told: Told):
    refused = told["unknown_model"]

    assert (refused["raised"][0], refused["status"]) == ("InvalidRequestError", 404)
    assert UNKNOWN_MODEL in refused["message"]


def test_a_stream_that_breaks_off_raises(told: Told):
    assert "OpenAIError" in told["broken_stream"]["raised"]
    assert BROKE_OFF in told["broken_stream"]["message"]
