"""Anthropic's Python SDK on /v1/messages, with upstreams that speak it and with upstreams that speak chat only."""

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

CLIENT = Client("anthropic-python", {"anthropic": "2.12.0"})
USAGE = {"input_tokens": 6, "output_tokens": 4}


@pytest.fixture(scope="module", params=["fake", "native"])
def told(request: pytest.FixtureRequest, uvicorn_gateway: LiveGateway) -> Told:
    return run(CLIENT, "anthropic_client.py", uvicorn_gateway, request.param)


def test_it_lists_the_models(told: Told):
    assert "rainymodel/auto" in told["models"]["names"]


def test_a_json_answer_has_text_stop_reason_and_usage(told: Told):
    answer = told["json_answer"]

    assert (answer["text"], answer["finish"]) == (ECHO, "end_turn")
    assert answer["usage"].items() >= USAGE.items()


def test_a_stream_has_the_same_text_stops_once_and_counts_usage(told: Told):
    stream = told["stream"]

    assert (stream["text"], stream["finish"], stream["stops"]) == (ECHO, "end_turn", 1)
    assert stream["usage"].items() >= USAGE.items()


@pytest.mark.parametrize("case", ["tools", "streamed_tools"])
def test_a_tool_is_called_and_its_result_answered(told: Told, case: str):
    assert told[case] == {"finish": "tool_use", **CALL_AS_OBJECT, "text": AFTER_THE_TOOL}


def test_an_image_arrives(told: Told):
    assert told["image"] == {"text": PICTURE}


def test_tokens_are_counted_and_tools_count_too(told: Told):
    assert 0 < told["count"]["tokens"] < told["count"]["with_tools"]


def test_an_unknown_model_raises_not_found(told: Told):
    assert told["unknown_model"]["raised"][0] == "NotFoundError"
    assert UNKNOWN_MODEL in told["unknown_model"]["message"]


def test_a_wrong_key_raises_authentication_error(told: Told):
    assert told["wrong_key"]["raised"][0] == "AuthenticationError"


def test_a_value_out_of_range_raises_bad_request(told: Told):
    assert told["bad_request"]["raised"][0] == "BadRequestError"
    assert "temperature" in told["bad_request"]["message"]


def test_a_stream_that_breaks_off_raises(told: Told):
    assert "APIError" in told["broken_stream"]["raised"]
    assert BROKE_OFF in told["broken_stream"]["message"]
