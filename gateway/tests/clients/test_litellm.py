"""litellm as a client, as OpenHands and aider have it: models named `openai/…`."""

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

# It imports mcp as soon as a request has tools, and does not depend on it.
CLIENT = Client("litellm", {"litellm": "1.106.2", "mcp": "2.3.0"})


@pytest.fixture(scope="module")
def told(uvicorn_gateway: LiveGateway) -> Told:
    return run(CLIENT, "litellm_client.py", uvicorn_gateway)


def test_it_lists_the_models(told: Told):
    assert "rainymodel/auto" in told["models"]["names"]


def test_it_reads_what_a_model_can_do(told: Told):
    facts = told["model_info"]

    assert facts["mode"] == "chat"
    assert facts["supports_function_calling"] is True
    assert facts["supports_vision"] is True


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


def test_an_image_arrives(told: Told):
    assert told["image"] == {"text": PICTURE}


def test_an_unknown_model_raises_not_found(told: Told):
    assert told["unknown_model"]["raised"][0] == "NotFoundError"
    assert UNKNOWN_MODEL in told["unknown_model"]["message"]


def test_a_stream_that_breaks_off_raises(told: Told):
    assert "APIError" in told["broken_stream"]["raised"]
    assert BROKE_OFF in told["broken_stream"]["message"]
